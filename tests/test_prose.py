"""Running text: what a sentence states of the patient is read, and nothing else."""

import dataclasses

import pytest

from medocr import fields
from medocr.fields import directions, text
from medocr.fields.scopes import Scopes
from tests.bench import fields_cases

NO_RESULT = [  # what kind of sentence, and one
    ("condition", "Please ring us if his potassium climbs to 6.2 mmol/L."),
    ("condition", "Dialyse unless the bicarbonate is 20 mmol/L and the potassium 5.0 mmol/L."),
    ("condition", "Bitte anrufen, falls das Kalium auf 6,1 mmol/l steigt."),
    ("condition", "Si rinvia in caso di INR 1,8 o piastrine 40.000/mmc."),
    ("condition", "Prévenir le médecin lorsque la glycémie atteint 2,5 g/L."),
    ("condition", "Avisar si la hemoglobina baja a 7 g/dl o las plaquetas a 20.000/mm3."),
    ("condition", "Zgłosić lekarzowi, jeżeli potas wyniesie 6,0 mmol/l."),
    ("rule", "Als het Hb < 5,0 mmol/l wordt er bloed gegeven."),
    ("aim", "We should keep her haemoglobin at 80 g/L and her platelets at 50 for the procedure."),
    ("aim", "Docelowo potas 4,5 mmol/l, cel LDL 55 mg/dl."),
    ("aim", "Objetivo: HbA1c de 6,5 % y LDL de 70 mg/dl."),
    ("several lines", "Ring if the patient becomes unwell overnight, or the sodium falls\nto 118 mmol/L."),
    ("average", "The mean haemoglobin was 11.2 g/dL and the average creatinine was 1.4 mg/dL."),
    ("average", "La créatinine moyenne était de 92 µmol/L."),
    ("study", "In the study, baseline creatinine was 88 umol/L. HbA1c fell to 48 mmol/mol in the treated arm."),
    ("study", "Studienteilnehmer hatten ein LDL von 130 mg/dl. Das HDL lag bei 45 mg/dl."),
    ("study", "No estudo, a hemoglobina foi de 10,1 g/dL entre os participantes."),
    ("policy", "Blood policy: one unit is given at a haemoglobin of 70 g/L. Two are given at 50 g/L."),
    ("teaching", "Practice question. A man has a sodium of 112 mmol/L and a potassium of 2.1 mmol/L. He is confused."),
    ("relative", "Her twin had a ferritin of 2,100 ug/L at diagnosis, with a transferrin saturation of 88 %."),
    ("relative", "His brother, who lives in Leeds, was found last year to have a cholesterol of 9.1 mmol/L."),
    ("relative", "Der Bruder hatte ein Kreatinin von 5,4 mg/dl und eine Hämoglobin von 8 g/dl."),
    ("relative", "La sœur avait une ferritine à 1800 µg/L et une CRP à 40 mg/L."),
    ("relative", "O irmão tem creatinina de 3,1 mg/dL."),
    ("relative", "Jego siostra miała TSH 22 mIU/l oraz ferrytynę 4 ng/ml."),
    ("question", "Would you accept a potassium of 5.8 mmol/L in this setting?"),
    ("question", "¿Es normal una glucosa de 130 mg/dl después de comer?"),
    ("fluid", "The dialysate has potassium 3 mmol/L and calcium 1.25 mmol/L."),
    ("fluid", "Dialysat: Kalium 2 mmol/l, Kalzium 1,5 mmol/l."),
    ("solution", "Please give 10 ml of 10% calcium gluconate over five minutes."),
    ("change", "One bag raises the haemoglobin by 10 g/L."),
    ("other words", "On l'arrête dès que l'INR dépasse 4,5."),
    ("no patient", "Nutrition facts per serving: sodium 140 mg, potassium 4 mmol/L, iron 8 mg."),
    ("no patient", "Preisliste: Kalium 3,50 mmol/l, TSH 12 mU/l"),
    ("control", "Calibrator level 2: glucose 16.5 mmol/L, sodium 118 mmol/L."),
    ("another patient", "Result issued in error: potassium 7.9 mmol/L."),
    ("control", "QC lot 4451, level 1\nGlucose 89 mg/dL\nSodium 120 mmol/L"),
    ("conversion", "Cholesterol 1 mmol/L = 38.67 mg/dL"),
    ("conversion", "To convert creatinine: 1 mg/dL equals 88.4 umol/L."),
    ("exam", "Which of the following fits?\nA. Sodium 120 mmol/L\nB. Sodium 150 mmol/L"),
    ("exam", "Good day. This leaflet was read. She had sodium 118 mmol/L. Which of the following fits?"),
    ("exam", "Welche der folgenden Aussagen trifft zu?\nA. Kalium 2,1 mmol/l\nB. Kalium 6,1 mmol/l"),
    ("reference table", "Analyte   Unit   Men   Women\nHaemoglobin   g/L   130-170   120-150"),
    ("reference table", "Ferritin\nStandard range: < 150 ng/mL"),
    ("exam", "Paciente con sodio 118 mmol/L. ¿Cuál es el diagnóstico?"),
    ("price", "TSH 12,50 €, Ferritin 9,80 €"),
    ("fluid", "Ringer-Lösung: Natrium 147 mmol/l, Kalium 4 mmol/l"),
    ("aim", "Votre glycémie à jeun doit être à 1,10 g/L."),
    ("news", "Scientists say that a potassium of 5.2 mmol/L is harmless."),
    ("would", "Ein Kalium von 3,0 mmol/l wäre ein Grund zur Sorge."),
    ("better", "Goals of the unit are met with an albumin of 4.0 or better."),
    ("quotation", 'A friend told her that "a cholesterol of 7 is dangerous" but hers was never measured.'),
]  # fmt: skip
RESULTS = [  # the text, and name and value of each result
    ("Her potassium was 5.9 mmol/L on admission, Hb 98.", [("potassium", 5.9), ("Hb", 98)]),
    ("Target INR 2 to 3; INR today 2.4.", [("INR", 2.4)]),
    ("Aim for a sodium above 130. Sodium today was 127 mmol/L.", [("Sodium", 127)]),
    ("She came with her daughter, and her creatinine was 141 umol/L.", [("creatinine", 141)]),
    ("His wife reports that he is tired. The ferritin was 9 ug/L.", [("ferritin", 9)]),
    ("Her mother has diabetes; HbA1c was 44 mmol/mol.", [("HbA1c", 44)]),
    ("Smoking leaflet given. Cholesterol was 6.1 mmol/L.", [("Cholesterol", 6.1)]),
    ("In the trial 40 % improved. His creatinine was 96 umol/L.", [("creatinine", 96)]),
    ("Das Kalium betrug 5,3 mmol/l, das Kreatinin lag bei 1,9 mg/dl.", [("Kalium", 5.3), ("Kreatinin", 1.9)]),
    ("La kaliémie est à 3,2 mmol/L et l'hémoglobine à 89 g/L.", [("kaliémie", 3.2), ("hémoglobine", 89)]),
    ("La PCR fue de 12,4 mg/dl.", [("PCR", 12.4)]),
    ("L'emoglobina era 7,8 g/dL e il potassio risultava 5,9 mmol/L.", [("emoglobina", 7.8), ("potassio", 5.9)]),
    ("A creatinina é de 0,9 mg/dL.", [("creatinina", 0.9)]),
    ("Het kalium bedroeg 5,5 mmol/l.", [("kalium", 5.5)]),
    ("CRP wynosiło 54 mg/l.", [("CRP", 54)]),
    ("The glucose on arrival was 22 mmol/L.", [("glucose", 22)]),
    ("Als das CRP 12 mg/l betrug, ging sie heim.", [("CRP", 12)]),
    ("Das Kreatinin lag mit 1,9 mg/dl über dem Vorwert von 1,1 mg/dl.", [("Kreatinin", 1.9)]),
    ("La creatinina al alta fue de 1,2 mg/dl.", [("creatinina", 1.2)]),
    ("Bei Aufnahme Hb 7,4 g/dl, nach Transfusion Anstieg auf 9,8 g/dl.", [("Hb", 7.4)]),
    ("La CRP à la sortie était de 12 mg/L.", [("CRP", 12)]),
    ("Patient: Ann Lee\nTroponin < 3 ng/L (below LoQ)", [("Troponin", "< 3")]),
    ("Patient: Ann Lee\nFerritin 2100 ng/mL, above the measuring range", [("Ferritin", 2100)]),
    ("Patient: Ann Lee\nHbA1c 7.1 % (diabetes is diagnosed at 6.5 %)", [("HbA1c", 7.1)]),
    ("Patient: Ann Lee\nHeight z-score -2.1, ferritin 9 ug/L", [("ferritin", 9)]),
    ("Bilirubin 1 mg/dL (= 17 umol/L) 0.2-1.2", [("Bilirubin", 1)]),
    ("Lactate 1 mmol/L (= 9 mg/dL)", [("Lactate", 1)]),
    ("SARS-CoV-2 PCR: Detected (Ct 22)", [("SARS-CoV-2 PCR", "Detected")]),
    ("TSH at her last visit was 5.8 mU/L.", [("TSH", 5.8)]),
    ("The troponin was 18 ng/L, repeated at three hours 17 ng/L.", [("troponin", 18)]),
    ("His white cell count settled from 18.4 to 9.1.", [("white cell count", 9.1)]),
    ("Influenza A: negative", [("Influenza A", "negative")]),
    ("Her creatinine returned to 1.3 mg/dL.", [("creatinine", 1.3)]),
    ("Her HbA1c has come down to 58 mmol/mol.", [("HbA1c", 58)]),
    ("Troponin was less than 0.01 ng/mL.", [("Troponin", "less than 0.01")]),
    ("TSH de 6,9 mUI/L. A creatinina é de 0,9 mg/dL.", [("TSH", 6.9), ("creatinina", 0.9)]),
    ("INR today is 3.8, target 2.5.", [("INR", 3.8)]),
    ("Creatinine 312 umol/L (eGFR 17) compared with 264 in May.", [("Creatinine", 312), ("eGFR", 17)]),
]
NO_ORDER = [
    ("list", "STOPPED: atenolol 50 mg once daily (tired), amlodipine 5 mg once daily, aspirin 75 mg once daily."),
    (
        "list",
        "Medicines stopped on admission:\n- ramipril 5 mg once daily\n- metformin 500 mg twice daily\n- aspirin 75 mg",
    ),
    ("list", "ON HOLD: lisinopril 10 mg daily, furosemide 40 mg daily and metformin 500 mg BD"),
    ("list", "She is intolerant of codeine 30 mg (vomiting), tramadol 50 mg (confusion) and ramipril 5 mg (cough)."),
    ("list", "Abgesetzt: Bisoprolol 5 mg 1-0-0, Ramipril 5 mg 1-0-0"),
    ("list", "Suspender: enalapril 20 mg cada 24 horas, ibuprofeno 600 mg cada 8 horas"),
    ("ceiling", "Take no more than 4 g of paracetamol in a day."),
    ("ceiling", "Paracetamol: never more than 4 g a day."),
    ("ceiling", "Le paracétamol ne doit pas dépasser 3 g par jour."),
    ("ceiling", "Die Tageshöchstdosis von Ibuprofen 2400 mg darf nicht überschritten werden."),
    ("solution", "What would you do about a potassium of 7? Would you give 10 ml of 10% calcium gluconate?"),
    ("considered", "We considered amiodarone 200 mg daily but no decision was made."),
    ("considered", "Sertraline 50 mg was discussed."),
    ("considered", "Si valuta la possibilità di apixaban 5 mg due volte al giorno."),
    ("considered", "Een behandeling met apixaban 5 mg werd besproken."),
    ("would", "Cefuroxime 1.5 g would usually be given at induction."),
    ("refused", "Atorvastatin 20 mg was declined."),
    ("refused", "Ramipril 5 mg odmówił przyjmowania."),
    ("relative", "Her husband takes warfarin 5 mg daily and bisoprolol 2.5 mg daily."),
    ("relative", "Seine Schwester nimmt Metformin 500 mg 1-0-1."),
    ("borrowed", "He borrowed diazepam 5 mg."),
    ("study", "Participants received empagliflozin 10 mg once daily for two years."),
    ("leaflet", "Patient leaflet. Adults take ibuprofen 400 mg three times a day with food."),
    ("leaflet", "Packungsbeilage: Erwachsene nehmen Ibuprofen 400 mg dreimal täglich."),
    ("protocol", "Our protocol says 4 units insulin for 10 to 14, 6 units insulin above that."),
    ("not said to be taken", "A box of tramadol 50 mg has been handed in."),
    ("not said to be taken", "An epinephrine injector 0.3 mg is kept in the office."),
    ("question", "Should she start apixaban 5 mg twice daily?"),
    ("condition", "If his troponin rises above 14 ng/L, give aspirin 300 mg and call cardiology."),
    ("negated", "Enoxaparin 40 mg was prescribed in error and never administered."),
    ("negated", "Lorazepam 4 mg IV. Not given."),
    ("negated", "No se ha iniciado metformina 850 mg."),
    ("negated", "Le traitement par ramipril 5 mg n'a pas été débuté."),
    ("negated", "Non è stata ancora iniziata la terapia con ramipril 2,5 mg."),
    ("negated", "Warfaryna 5 mg nie została jeszcze włączona."),
    ("negated", "Sitagliptin 100 mg hat der Patient nie eingenommen."),
    ("usual dose", "Según la guía, la dosis habitual de enalapril es de 10 mg al día."),
    ("stock", "The ward stock list includes furosemide 40 mg and naloxone 400 micrograms."),
    ("stock", "Stock: diazepam 5 mg tab x 28"),
    ("leaflet", "Erwachsene nehmen 1 Tablette Ibuprofen 400 mg alle 8 Stunden."),
    ("allergy", "Alergias: penicilina, metamizol 575 mg (urticaria)"),
    ("advert", "Vacancy: pharmacist for our warfarin 5 mg clinic"),
    ("asked", "De huisarts vraagt of apixaban 5 mg mag worden gestart."),
    ("meant", "He was meant to be on ramipril 10 mg."),
    ("omitted", "Si l'INR est à 5 ou plus, sauter une prise de warfarine 2 mg."),
]
ORDERS = [  # the text, and drug, dose and status of each order
    ("Stop doxazosin 4 mg, start eplerenone 25 mg daily.", [("doxazosin", "stopped"), ("eplerenone", "active")]),
    ("He denies taking aspirin 75 mg but takes apixaban 5 mg BD.", [("aspirin", "denied"), ("apixaban", "active")]),
    ("She declined a statin and was started on ezetimibe 10 mg daily.", [("ezetimibe", "active")]),
    ("Stopped: atenolol 50 mg. Continue ramipril 5 mg daily.", [("atenolol", "stopped"), ("ramipril", "active")]),
    ("STOPPED:\n- atenolol 50 mg\nCONTINUED:\n- ramipril 5 mg", [("atenolol", "stopped"), ("ramipril", "active")]),
    ("Hold metformin until well, start amoxicillin 1 g.", [("metformin", "stopped"), ("amoxicillin", "active")]),
    ("Iniziata piperacillina/tazobactam 4,5 g.", [("piperacillina/tazobactam", "active")]),
    ("Enalapril 10 mg cada 12 h, suspender metformina.", [("Enalapril", "active"), ("metformina", "stopped")]),
    ("Stop atenolol 50 mg\nramipril 5 mg daily", [("atenolol", "stopped"), ("ramipril", "active")]),
    ("STOPPED:\natenolol 50 mg\n\nramipril 5 mg daily", [("atenolol", "stopped"), ("ramipril", "active")]),
    ("Warfarin 5 mg daily\nInteraction: amiodarone\nAspirin 81 mg", [("Warfarin", "active"), ("Aspirin", "active")]),
    ("Patient: Ann Lee\nWarfarin 5 mg daily (interaction: amiodarone)", [("Warfarin", "active")]),
    ("Discontinued (2024):\natenolol 50 mg", [("atenolol", "stopped")]),
    ("2. Stopped medications:\natenolol 50 mg daily", [("atenolol", "stopped")]),
    ("Abgesetzt 2023:\nAtenolol 50 mg", [("Atenolol", "stopped")]),
    ("STOPPED 2023\natenolol 50 mg", [("atenolol", "stopped")]),
    ("Stop Dolo 650\nramipril 5 mg daily", [("Dolo", "stopped"), ("ramipril", "active")]),
    ("Stop salbutamol 2 puffs\nramipril 5 mg daily", [("salbutamol", "stopped"), ("ramipril", "active")]),
    ("His wife says he takes bisoprolol 5 mg daily.", [("bisoprolol", "active")]),
    ("Do not stop aspirin 75 mg daily.", [("aspirin", "active")]),
    ("Started insulin 5 units/hr per protocol.", [("insulin", "active")]),
    ("She is on aspirin 75 mg and was given clopidogrel 300 mg.", [("aspirin", "active"), ("clopidogrel", "active")]),
    ("He is well on ramipril 5 mg and bisoprolol 5 mg daily.", [("ramipril", "active"), ("bisoprolol", "active")]),
    ("His anaemia has improved on ferrous fumarate 210 mg daily.", [("ferrous fumarate", "active")]),
    ("She will need lifelong levothyroxine 100 micrograms daily.", [("levothyroxine", "active")]),
    ("Er wird mit Metoprolol 47,5 mg 1-0-1 entlassen.", [("Metoprolol", "active")]),
    ("Augmentín 625 mg BD for 5 days", [("Augmentín", "active")]),
    ("Simvastatína 40 mg nocte", [("Simvastatína", "active")]),
    ("Paracétamol 1 g 3 fois par jour", [("Paracétamol", "active")]),
    ("Paracetamol 1 g QDS, maximum 4 g a day", [("Paracetamol", "active")]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), NO_RESULT)
def test_a_sentence_that_states_no_result_has_none(kind, text):
    assert fields.read_analytes(text) == []


@pytest.mark.parametrize(("text", "expected"), RESULTS)
def test_a_sentence_that_states_a_result_has_it(text, expected):
    assert [(row.name, row.value) for row in fields.read_analytes(text)] == expected


@pytest.mark.parametrize(("kind", "text"), NO_ORDER)
def test_a_sentence_that_orders_nothing_has_no_active_order(kind, text):
    assert [order for order in fields.read_drugs(text) if order.status == "active"] == []


@pytest.mark.parametrize(("text", "expected"), ORDERS)
def test_each_drug_of_a_sentence_has_its_own_status(text, expected):
    assert [(order.drug, order.status) for order in fields.read_drugs(text)] == expected


STATEMENTS = [case for case in fields_cases.load("held_out_statements.jsonl") if not case.get("unread")]


@pytest.mark.parametrize("case", STATEMENTS, ids=lambda case: f"{case['kind']}: {case['reader']}")
def test_letters_and_notes_with_results_and_orders_are_read_whole(case):
    assert fields_cases.score_case(case)["wrong"] == []


@pytest.mark.parametrize(
    "text",
    [
        "Blood type: ☐ A ☑ B ☐ AB ☐ 0",
        "Pregnancy test: ☐ Positive ☑ Negative",
        "Alcohol? ☐ Never ☑ Weekly 2",
        "Iodine ☑ Peanuts ☐ 8",
    ],
)
def test_a_group_of_tick_boxes_is_no_result(text):
    assert fields.read_analytes(text) == []
    assert fields.read_options(text)


@pytest.mark.parametrize(
    ("text", "frequency", "times"),
    [
        ("Amoxicillin 1 g dreimal täglich", "dreimal täglich", 3),
        ("Amoxicilline 1 g trois fois par jour", "trois fois par jour", 3),
        ("Amoxicilina 500 mg tres veces al día", "tres veces al día", 3),
        ("Metformina 500 mg due volte al giorno", "due volte al giorno", 2),
        ("Metformina 850 mg duas vezes ao dia", "duas vezes ao dia", 2),
        ("Metoprolol 50 mg eenmaal daags", "eenmaal daags", 1),
        ("Furosemid 40 mg dwa razy dziennie", "dwa razy dziennie", 2),
    ],
)
def test_how_often_in_words(text, frequency, times):
    assert [order.frequency for order in fields.read_drugs(text)] == [frequency]
    assert directions.times_a_day(frequency) == times


@pytest.mark.parametrize("name", ["held_out_prose", "prose"])
def test_prose_without_results_and_orders(name):
    texts = [case["text"] for case in fields_cases.load(f"{name}.jsonl") if not case.get("unread")]
    assert [row for text in texts for row in fields.read_analytes(text)] == []
    assert [order for text in texts for order in fields.read_drugs(text) if order.status == "active"] == []


class Counted(list):
    """A list that counts what is cut from it."""

    cut = 0

    def __getitem__(self, index):
        part = super().__getitem__(index)
        Counted.cut += len(part) if isinstance(index, slice) else 1
        return part


@pytest.mark.parametrize(
    "piece",
    ["if his brother takes no aspirin 5 mg, Hb was 9, ", "stop metformin ", "policy: stopped\n", "was never given, "],
)
def test_what_is_looked_at_of_one_long_sentence_grows_with_its_length_alone(piece):
    looked = []
    for count in (100, 400):
        page = piece * count
        cut = text.atoms(page, page)
        lists = {name: Counted(getattr(cut, name)) for name in ("kinds", "words", "lowered", "starts")}
        Counted.cut = 0
        scopes = Scopes(dataclasses.replace(cut, **lists))
        for at in range(cut.count):
            scopes.bars(at, at + 1, bounded=False)
            scopes.status_behind(at, at + 9)
            scopes.status(at, None)
        looked.append(Counted.cut)
    assert looked[1] < 5 * looked[0]


@pytest.mark.parametrize(
    ("text", "active"),
    [
        ("Patients on warfarin 5 mg daily were excluded.", []),
        ("It was amlodipine 10 mg that caused her ankles to swell.", []),
        ("Die Leitstelle hat Metoprolol 47,5 mg erwähnt, weil es vorrätig ist.", []),
        ("Le comité a rappelé que l'amiodarone 200 mg est chère.", []),
        ("She has been started on warfarin 5 mg daily.", ["warfarin"]),
        ("Please keep her on carbimazole 15 mg once daily until I see her.", ["carbimazole"]),
        ("Amlodipine 5mg tablets One To Be Taken Each Day 28 tablet", ["Amlodipine"]),
        ("Metformin 500 mg twice daily; her tablets were collected.", ["Metformin"]),
    ],
)
def test_a_drug_that_a_sentence_only_tells_of_is_no_order(text, active):
    assert [order.drug for order in fields.read_drugs(text) if order.status == "active"] == active


@pytest.mark.parametrize(
    "text",
    [
        "Internal quality control, level 2: potassium 6.1 mmol/L and sodium 152 mmol/L were within limits.",
        "Exclusion criteria: creatinine 2.5 mg/dL, bilirubin 3 mg/dL.",
        "Tierarztpraxis Dr. Kern: Kalium 6,8 mmol/l, Kreatinin 212 µmol/l.",
    ],
)
def test_a_text_about_no_patient_has_no_result(text):
    assert fields.read_analytes(text) == []


@pytest.mark.parametrize(
    "remark",
    [
        "Adults: 3.5-5.1\nChildren: 3.4-4.7",
        "Adultes : 3,5-5,1",
        "Result exceeds the measuring range.",
        "Telephone if above 6.0.",
        "Interaction: spironolactone",
        "Conversion factor on request",
    ],
)
def test_a_remark_below_a_row_hides_none_on_a_page_without_a_name(remark):
    page = f"DOB: 03/04/1961\nPotassium 6.9 mmol/L\n{remark}\nSodium 118 mmol/L 135-145\nHb 9.1 g/dL 12-16"
    assert [row.name for row in fields.read_analytes(page)] == ["Potassium", "Sodium", "Hb"]


@pytest.mark.parametrize("label", ["DOB: 03/04/1961", "MRN: 5512", "Date de naissance : 03/04/1961"])
def test_a_birth_date_or_a_number_names_the_patient_too(label):
    page = f"{label}\nTSH 2.1\nInterpretation by experts\nSodium 118 mmol/L 135-145"
    assert [row.name for row in fields.read_analytes(page)] == ["TSH", "Sodium"]


def test_limits_of_adults_beside_a_value_leave_it_a_result():
    assert [row.value for row in fields.read_analytes("Creatinine 1.9 mg/dL Adults: 0.6-1.2")] == [1.9]
    assert fields.read_drugs("Adults: 400-600 mg ibuprofen every 6 hours") == []


def test_a_remark_between_the_results_of_a_named_patient_hides_none():
    page = "Patient: Ann Lee\nHbA1c 6.1 %\nDiabetes is diagnosed at 6.5 % and more.\nReagent lot 12\nGlucose 130 mg/dL"
    assert [row.name for row in fields.read_analytes(page)] == ["HbA1c", "Glucose"]


@pytest.mark.parametrize(
    ("of_whom", "rows"),
    [
        ("Sodium was 118 mmol/L.", []),
        ("Sodium this morning was 118 mmol/L.", ["Sodium"]),
        ("DOB 3 May 1950. Sodium was 118 mmol/L.", ["Sodium"]),
        ("Sodium 118 mmol/L 133-146", ["Sodium"]),
    ],
)
def test_a_page_with_a_study_and_no_patient_states_nobodys_results(of_whom, rows):
    page = f"Two hundred volunteers were enrolled.\n\n{of_whom}"
    assert [row.name for row in fields.read_analytes(page)] == rows
