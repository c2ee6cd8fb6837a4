"""Medicines in the forms, strengths and courses in which they are prescribed to adults."""

import dataclasses

ROUTES = {  # form: (route, a dose of it); the route as prescriptions abbreviate it
    "tab": ("PO", "1 tab"),
    "cap": ("PO", "1 cap"),
    "susp": ("PO", "5 mL"),
    "syrup": ("PO", "10 mL"),
    "inh": ("INH", "2 puffs"),
    "spray": ("NAS", "1 spray"),
    "cream": ("TOP", "apply"),
    "oint": ("TOP", "apply"),
    "gel": ("TOP", "apply"),
    "drops": ("OU", "1 drop"),
    "patch": ("TD", "1 patch"),
    "inj": ("SC", "inject"),
    "SL tab": ("SL", "1 tab"),
}


@dataclasses.dataclass(frozen=True)
class Drug:
    """`timing` holds keys of prescription.FREQUENCIES; `days` the usual lengths of a course."""

    name: str
    form: str
    strengths: tuple[str, ...]
    unit: str
    timing: tuple[str, ...]
    days: tuple[int, ...]


def _drug(row: str) -> Drug:
    name, form, strengths, timing, days = (cell.strip() for cell in row.split("|"))
    *doses, unit = strengths.split()
    return Drug(name, form, tuple(doses), unit, tuple(timing.split()), tuple(map(int, days.split())))


# name | form | strengths and unit | times a day (n: at night, p: when needed, w: weekly) | days
DRUGS = tuple(
    map(
        _drug,
        """
Amoxicillin         | cap    | 250 500 mg            | 3     | 5 7 10
Amoxicillin         | susp   | 125 250 400 mg/5mL    | 2 3   | 7 10
Augmentin           | tab    | 500/125 875/125 mg    | 2     | 7 10
Azithromycin        | tab    | 250 500 mg            | 1     | 3 5
Cefalexin           | cap    | 250 500 mg            | 4     | 7 10
Cefuroxime          | tab    | 250 500 mg            | 2     | 7 10
Cefixime            | tab    | 200 400 mg            | 1 2   | 5 7
Ciprofloxacin       | tab    | 250 500 750 mg        | 2     | 3 7 14
Levofloxacin        | tab    | 250 500 750 mg        | 1     | 5 7 10
Doxycycline         | cap    | 50 100 mg             | 2     | 7 10 14
Clarithromycin      | tab    | 250 500 mg            | 2     | 7 14
Clindamycin         | cap    | 150 300 mg            | 3 4   | 7 10
Metronidazole       | tab    | 250 500 mg            | 3     | 5 7 10
Nitrofurantoin      | cap    | 50 100 mg             | 2     | 5 7
Penicillin V        | tab    | 250 500 mg            | 2 4   | 10
Bactrim DS          | tab    | 800/160 mg            | 2     | 3 7 10
Fluconazole         | tab    | 100 150 200 mg        | 1     | 1 7 14
Acyclovir           | tab    | 400 800 mg            | 3     | 5 7 10
Valacyclovir        | tab    | 500 1000 mg           | 2 3   | 3 7
Oseltamivir         | cap    | 75 mg                 | 2     | 5
Ibuprofen           | tab    | 200 400 600 800 mg    | 3 p   | 3 5 7
Naproxen            | tab    | 250 375 500 mg        | 2     | 5 10 14
Diclofenac          | tab    | 50 75 mg              | 2 3   | 5 7
Paracetamol         | tab    | 500 650 mg            | 3 4 p | 3 5
Acetaminophen       | tab    | 325 500 650 mg        | 4 p   | 3 5 7
Aspirin             | tab    | 75 81 325 mg          | 1     | 30 90
Celecoxib           | cap    | 100 200 mg            | 1 2   | 14 30
Meloxicam           | tab    | 7.5 15 mg             | 1     | 14 30
Tramadol            | tab    | 50 100 mg             | 4 p   | 3 5
Cyclobenzaprine     | tab    | 5 10 mg               | 3 n   | 7 10
Gabapentin          | cap    | 100 300 400 mg        | 3     | 30 90
Pregabalin          | cap    | 50 75 150 mg          | 2     | 30
Sumatriptan         | tab    | 25 50 100 mg          | p     | 9
Prednisone          | tab    | 5 10 20 mg            | 1     | 5 7
Prednisolone        | tab    | 5 20 mg               | 1     | 5 7
Lisinopril          | tab    | 5 10 20 40 mg         | 1     | 30 90
Enalapril           | tab    | 2.5 5 10 20 mg        | 1 2   | 30 90
Ramipril            | cap    | 1.25 2.5 5 10 mg      | 1     | 30 90
Losartan            | tab    | 25 50 100 mg          | 1     | 30 90
Valsartan           | tab    | 80 160 320 mg         | 1     | 30 90
Telmisartan         | tab    | 20 40 80 mg           | 1     | 30
Amlodipine          | tab    | 2.5 5 10 mg           | 1     | 30 90
Metoprolol          | tab    | 25 50 100 mg          | 2     | 30 90
Atenolol            | tab    | 25 50 100 mg          | 1     | 30 90
Bisoprolol          | tab    | 1.25 2.5 5 10 mg      | 1     | 30 90
Carvedilol          | tab    | 3.125 6.25 12.5 25 mg | 2     | 30 90
Propranolol         | tab    | 10 20 40 mg           | 2 3   | 30
Diltiazem           | cap    | 120 180 240 mg        | 1     | 30
HCTZ                | tab    | 12.5 25 mg            | 1     | 30 90
Furosemide          | tab    | 20 40 80 mg           | 1 2   | 30
Spironolactone      | tab    | 25 50 100 mg          | 1     | 30
Digoxin             | tab    | 0.125 0.25 mg         | 1     | 30
Nitroglycerin       | SL tab | 0.3 0.4 0.6 mg        | p     | 30
Atorvastatin        | tab    | 10 20 40 80 mg        | 1 n   | 30 90
Simvastatin         | tab    | 10 20 40 mg           | n     | 30 90
Rosuvastatin        | tab    | 5 10 20 40 mg         | 1     | 30 90
Pravastatin         | tab    | 10 20 40 mg           | 1     | 30 90
Ezetimibe           | tab    | 10 mg                 | 1     | 30 90
Clopidogrel         | tab    | 75 mg                 | 1     | 30 90
Warfarin            | tab    | 1 2 2.5 5 mg          | 1     | 30
Apixaban            | tab    | 2.5 5 mg              | 2     | 30
Rivaroxaban         | tab    | 10 15 20 mg           | 1     | 30
Enoxaparin          | inj    | 40 60 80 mg           | 1 2   | 7 10
Metformin           | tab    | 500 850 1000 mg       | 1 2   | 30 90
Glipizide           | tab    | 5 10 mg               | 1     | 30 90
Glimepiride         | tab    | 1 2 4 mg              | 1     | 30 90
Sitagliptin         | tab    | 25 50 100 mg          | 1     | 30 90
Empagliflozin       | tab    | 10 25 mg              | 1     | 30
Pioglitazone        | tab    | 15 30 45 mg           | 1     | 30
Insulin glargine    | inj    | 10 14 20 units        | n     | 30
Insulin lispro      | inj    | 4 6 8 units           | 3     | 30
Levothyroxine       | tab    | 25 50 75 88 100 mcg   | 1     | 30 90
Methimazole         | tab    | 5 10 mg               | 1     | 30
Omeprazole          | cap    | 10 20 40 mg           | 1 2   | 14 30
Pantoprazole        | tab    | 20 40 mg              | 1     | 14 30
Esomeprazole        | cap    | 20 40 mg              | 1     | 14 30
Famotidine          | tab    | 20 40 mg              | 1 2   | 14 30
Ondansetron         | tab    | 4 8 mg                | 3 p   | 3 5
Metoclopramide      | tab    | 5 10 mg               | 3     | 5
Loperamide          | cap    | 2 mg                  | p     | 2 3
Cetirizine          | tab    | 5 10 mg               | 1     | 10 14 30
Loratadine          | tab    | 10 mg                 | 1     | 10 14 30
Fexofenadine        | tab    | 60 120 180 mg         | 1     | 14 30
Montelukast         | tab    | 5 10 mg               | n     | 30 90
Albuterol           | inh    | 90 mcg                | 4 p   | 30
Budesonide          | inh    | 100 200 mcg           | 2     | 30
Tiotropium          | inh    | 18 mcg                | 1     | 30
Fluticasone         | spray  | 27.5 50 mcg           | 1     | 30
Guaifenesin         | syrup  | 100 200 mg/5mL        | 3 4   | 5 7
Sertraline          | tab    | 25 50 100 mg          | 1     | 30 90
Fluoxetine          | cap    | 10 20 40 mg           | 1     | 30 90
Escitalopram        | tab    | 5 10 20 mg            | 1     | 30 90
Citalopram          | tab    | 10 20 40 mg           | 1     | 30
Venlafaxine         | cap    | 37.5 75 150 mg        | 1     | 30
Duloxetine          | cap    | 20 30 60 mg           | 1     | 30
Bupropion           | tab    | 75 100 150 mg         | 1 2   | 30
Trazodone           | tab    | 50 100 mg             | n     | 30
Amitriptyline       | tab    | 10 25 50 mg           | n     | 30
Alprazolam          | tab    | 0.25 0.5 1 mg         | 2 p   | 7 14
Lorazepam           | tab    | 0.5 1 2 mg            | n p   | 7 14
Zolpidem            | tab    | 5 10 mg               | n     | 7 14
Quetiapine          | tab    | 25 50 100 mg          | n     | 30
Lamotrigine         | tab    | 25 100 200 mg         | 1 2   | 30
Levetiracetam       | tab    | 250 500 750 mg        | 2     | 30
Tamsulosin          | cap    | 0.4 mg                | n     | 30 90
Finasteride         | tab    | 5 mg                  | 1     | 30 90
Allopurinol         | tab    | 100 300 mg            | 1     | 30 90
Colchicine          | tab    | 0.5 0.6 mg            | 1 2   | 7 30
Alendronate         | tab    | 35 70 mg              | w     | 28
Methotrexate        | tab    | 2.5 7.5 10 mg         | w     | 28
Folic acid          | tab    | 1 5 mg                | 1     | 30 90
Ferrous sulfate     | tab    | 325 mg                | 1 2   | 30 90
Vitamin D3          | cap    | 1000 2000 IU          | 1     | 30 90
Hydrocortisone      | cream  | 1 2.5 %               | 2     | 7 14
Clotrimazole        | cream  | 1 %                   | 2     | 14 28
Mupirocin           | oint   | 2 %                   | 3     | 5 7
Adapalene           | gel    | 0.1 0.3 %             | n     | 30
Timolol             | drops  | 0.25 0.5 %            | 2     | 30
Latanoprost         | drops  | 0.005 %               | n     | 30
Nicotine            | patch  | 7 14 21 mg            | 1     | 14 28
""".strip().splitlines(),
    )
)
