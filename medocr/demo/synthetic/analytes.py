"""Blood and urine tests with units and adult reference ranges as laboratories print them."""

import dataclasses

UCUM = {  # as printed → Unified Code for Units of Measure, where they differ
    "K/uL": "10*3/uL",
    "K/µL": "10*3/uL",
    "x10^3/uL": "10*3/uL",
    "10³/µL": "10*3/uL",
    "M/uL": "10*6/uL",
    "x10^6/µL": "10*6/uL",
    "mEq/L": "meq/L",
    "mL/min/1.73m²": "mL/min/{1.73_m2}",
    "mL/min/1.73m2": "mL/min/{1.73_m2}",
    "µg/dL": "ug/dL",
    "mcg/dL": "ug/dL",
    "µg/mL": "ug/mL",
    "µmol/L": "umol/L",
    "mIU/L": "m[IU]/L",
    "µIU/mL": "u[IU]/mL",
    "uIU/mL": "u[IU]/mL",
    "IU/mL": "[IU]/mL",
    "IU/L": "[IU]/L",
    "mOsm/kg": "mosm/kg",
    "mm/hr": "mm/h",
    "sec": "s",
    "/HPF": "/[HPF]",
}


@dataclasses.dataclass(frozen=True)
class Analyte:
    """`ranges` and `expected` by sex, F then M: (low, high) as printed, either empty; or the normal words."""

    panel: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    decimals: int
    ranges: dict[str, tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class Finding:
    """A test whose result is a word: the normal one first."""

    panel: str
    names: tuple[str, ...]
    results: tuple[str, ...]


def _limits(text: str) -> tuple[str, str]:
    if text[0] == "<":
        return "", text[1:]
    if text[0] == ">":
        return text[1:], ""
    low, high = text.split("-")
    return low, high


def _analyte(row: str) -> Analyte:
    panel, names, units, women, *men = (cell.strip() for cell in row.split("|"))
    texts = {"F": women, "M": men[0] if men else women}
    ranges = {sex: _limits(text) for sex, text in texts.items() if text}
    decimals = max(len(limit.partition(".")[2]) for limits in ranges.values() for limit in limits)
    return Analyte(panel, tuple(names.split("; ")), tuple(units.split()), decimals, ranges)


# panel | names | units | range (women) | range (men), where it differs; none for one sex: not tested
ANALYTES = tuple(
    map(
        _analyte,
        """
CBC       | WBC; White blood cells; Leukocytes   | K/uL x10^3/uL 10³/µL K/µL | 4.0-11.0
CBC       | RBC; Red blood cells; Erythrocytes   | M/uL x10^6/µL             | 3.80-5.10 | 4.30-5.70
CBC       | Hemoglobin; Hgb; Hb                  | g/dL                      | 12.0-15.5 | 13.5-17.5
CBC       | Hematocrit; HCT                      | %                         | 36.0-46.0 | 41.0-53.0
CBC       | MCV                                  | fL                        | 80.0-100.0
CBC       | MCH                                  | pg                        | 27.0-33.0
CBC       | MCHC                                 | g/dL                      | 32.0-36.0
CBC       | RDW; RDW-CV                          | %                         | 11.5-14.5
CBC       | Platelets; PLT; Platelet count       | K/uL x10^3/uL 10³/µL K/µL | 150-400
CBC       | MPV                                  | fL                        | 7.5-11.5
CBC       | Neutrophils                          | %                         | 40.0-70.0
CBC       | Lymphocytes                          | %                         | 20.0-40.0
CBC       | Monocytes                            | %                         | 2.0-10.0
CBC       | Eosinophils                          | %                         | 1.0-6.0
CBC       | Basophils                            | %                         | 0.0-2.0
CBC       | ANC; Neutrophils, Abs                | K/uL 10³/µL               | 1.8-7.7
CBC       | Reticulocytes; Retic count           | %                         | 0.5-2.5
CBC       | ESR; Sed rate                        | mm/hr                     | 0-20      | 0-15
Chemistry | Sodium; Na                           | mmol/L mEq/L              | 135-145
Chemistry | Potassium; K                         | mmol/L mEq/L              | 3.5-5.1
Chemistry | Chloride; Cl                         | mmol/L mEq/L              | 98-107
Chemistry | CO2; Bicarbonate; HCO3               | mmol/L mEq/L              | 22-29
Chemistry | BUN; Urea nitrogen                   | mg/dL                     | 7-20
Chemistry | Urea                                 | mmol/L                    | 2.5-7.8
Chemistry | Creatinine; Creat                    | mg/dL                     | 0.50-1.10 | 0.70-1.30
Chemistry | Creatinine                           | µmol/L                    | 45-90     | 60-110
Chemistry | eGFR                                 | mL/min/1.73m² mL/min/1.73m2 | >60
Chemistry | Glucose; Glucose (Fasting)           | mg/dL                     | 70-99
Chemistry | Glucose; Glucose, Fasting            | mmol/L                    | 3.9-5.5
Chemistry | Calcium; Ca                          | mg/dL                     | 8.6-10.3
Chemistry | Magnesium; Mg                        | mg/dL                     | 1.7-2.4
Chemistry | Phosphorus; Phosphate                | mg/dL                     | 2.5-4.5
Chemistry | Anion gap                            | mmol/L                    | 8-16
Chemistry | Osmolality                           | mOsm/kg                   | 275-295
Chemistry | Uric acid                            | mg/dL                     | 2.6-6.0   | 3.5-7.2
Chemistry | Amylase                              | U/L                       | 30-110
Chemistry | Lipase                               | U/L                       | 13-60
Chemistry | Lactate                              | mmol/L                    | 0.5-2.2
Liver     | ALT; ALT (SGPT); SGPT                | U/L IU/L                  | 7-35      | 10-50
Liver     | AST; AST (SGOT); SGOT                | U/L IU/L                  | 10-40
Liver     | ALP; Alk Phos                        | U/L IU/L                  | 44-147
Liver     | GGT                                  | U/L IU/L                  | 5-36      | 8-61
Liver     | Bilirubin, Total; Total bilirubin; T. Bili | mg/dL               | 0.2-1.2
Liver     | Bilirubin, Direct; Direct bili       | mg/dL                     | 0.0-0.3
Liver     | Albumin                              | g/dL                      | 3.5-5.0
Liver     | Protein, Total; Total protein        | g/dL                      | 6.0-8.3
Liver     | Globulin                             | g/dL                      | 2.0-3.5
Liver     | LDH                                  | U/L                       | 140-280
Liver     | Ammonia                              | µmol/L                    | 11-32
Lipids    | Cholesterol; Cholesterol, Total      | mg/dL                     | <200
Lipids    | LDL; LDL-C; LDL Chol                 | mg/dL                     | <100
Lipids    | HDL; HDL-C; HDL Chol                 | mg/dL                     | >50       | >40
Lipids    | Triglycerides; TG                    | mg/dL                     | <150
Lipids    | VLDL                                 | mg/dL                     | 5-40
Lipids    | Non-HDL                              | mg/dL                     | <130
Lipids    | Apo B                                | mg/dL                     | <90
Lipids    | Chol/HDL ratio                       |                           | <5.0
Thyroid   | TSH                                  | mIU/L µIU/mL uIU/mL       | 0.40-4.50
Thyroid   | Free T4; T4, Free; FT4               | ng/dL                     | 0.80-1.80
Thyroid   | Free T3; T3, Free; FT3               | pg/mL                     | 2.3-4.2
Thyroid   | T4, Total; Total T4                  | µg/dL mcg/dL              | 5.0-12.0
Thyroid   | T3, Total; Total T3                  | ng/dL                     | 80-200
Thyroid   | Anti-TPO; TPO Ab                     | IU/mL                     | <35
Diabetes  | HbA1c; Hemoglobin A1c; A1C           | %                         | <5.7
Diabetes  | HbA1c; Hgb A1c                       | %                         | 4.0-5.6
Diabetes  | Insulin                              | µIU/mL uIU/mL             | 2.6-24.9
Diabetes  | C-peptide                            | ng/mL                     | 0.8-3.9
Diabetes  | Glucose, 2 h                         | mg/dL                     | <140
Diabetes  | Fructosamine                         | µmol/L                    | 200-285
Iron      | Iron; Iron, Serum; Fe                | µg/dL mcg/dL              | 50-170    | 65-175
Iron      | Ferritin                             | ng/mL                     | 11-307    | 24-336
Iron      | TIBC                                 | µg/dL mcg/dL              | 250-450
Iron      | Transferrin                          | mg/dL                     | 200-360
Iron      | Iron sat; Fe saturation              | %                         | 20-50
Vitamins  | Vitamin B12; B12                     | pg/mL                     | 200-900
Vitamins  | Folate                               | ng/mL                     | >4.0
Vitamins  | Vitamin D, 25-OH; Vit D, 25-OH       | ng/mL                     | 30-100
Vitamins  | Homocysteine                         | µmol/L                    | 5.0-15.0
Coag      | PT; Prothrombin time                 | sec s                     | 11.0-13.5
Coag      | INR                                  |                           | 0.8-1.1
Coag      | aPTT; PTT                            | sec s                     | 25.0-35.0
Coag      | Fibrinogen                           | mg/dL                     | 200-400
Coag      | D-dimer                              | µg/mL                     | <0.50
Cardiac   | Troponin I                           | ng/mL                     | <0.04
Cardiac   | CK; CPK, Total                       | U/L                       | 30-135    | 40-200
Cardiac   | CK-MB                                | ng/mL                     | <5.0
Cardiac   | BNP                                  | pg/mL                     | <100
Cardiac   | NT-proBNP                            | pg/mL                     | <125
Cardiac   | hs-CRP                               | mg/L                      | <3.0
Cardiac   | CRP; C-reactive pr.                | mg/L                      | <5.0
Hormones  | Cortisol, AM                         | µg/dL mcg/dL              | 5.0-25.0
Hormones  | Prolactin                            | ng/mL                     | 4.8-23.3  | 4.0-15.2
Hormones  | Testosterone                         | ng/dL                     | 15-70     | 264-916
Hormones  | PTH; PTH, Intact                     | pg/mL                     | 15-65
Hormones  | PSA; PSA, Total                      | ng/mL                     |           | <4.0
Hormones  | Procalcitonin                        | ng/mL                     | <0.10
Urine     | pH                                   |                           | 5.0-8.0
Urine     | Specific gravity; Sp. gravity        |                           | 1.005-1.030
Urine     | Urobilinogen                         | mg/dL                     | 0.2-1.0
Urine     | WBC                                  | /HPF                      | 0-5
Urine     | RBC                                  | /HPF                      | 0-2
Urine     | ACR; Alb/Creat ratio                 | mg/g                      | <30
Serology  | Rheumatoid factor; RF                | IU/mL                     | <14
""".strip().splitlines(),
    )
)

FINDINGS = tuple(
    Finding(panel.strip(), tuple(names.strip().split("; ")), tuple(results.strip().split("; ")))
    for panel, names, results in (
        row.split("|")
        for row in """
Urine    | Glucose                       | Negative; Trace; 1+; 2+; 3+
Urine    | Protein                       | Negative; Trace; 1+; 2+
Urine    | Ketones                       | Negative; Trace; 1+; 2+
Urine    | Blood; Occult blood           | Negative; Trace; 1+; 2+
Urine    | Nitrite                       | Negative; Positive
Urine    | Leuk. esterase; Leukocytes    | Negative; Trace; 1+; 2+
Urine    | Bilirubin                     | Negative; 1+
Urine    | Color                         | Yellow; Amber; Red
Urine    | Clarity; Appearance           | Clear; Hazy; Cloudy
Urine    | Bacteria                      | None seen; Few; Many
Serology | HBsAg; Hep B surf. Ag         | Non-reactive; Reactive
Serology | Anti-HCV; Hep C Ab            | Non-reactive; Reactive
Serology | HIV 1/2; HIV Ag/Ab            | Non-reactive; Reactive
Serology | RPR                           | Non-reactive; Reactive
Serology | ANA; ANA titer                | <1:40; 1:80; 1:160; 1:320; 1:640
Serology | Rapid strep                   | Negative; Positive
Serology | Influenza A                   | Negative; Positive
Serology | SARS-CoV-2                    | Not detected; Detected
Serology | H. pylori Ag                  | Negative; Positive
Serology | Mono test                     | Negative; Positive
""".strip().splitlines()
    )
)

PANELS = {  # heading by panel, as reports print them
    "CBC": ("COMPLETE BLOOD COUNT", "CBC with Diff", "HEMATOLOGY", "CBC"),
    "Chemistry": ("BASIC METABOLIC PANEL", "CHEMISTRY", "Biochemistry", "Metabolic Panel"),
    "Liver": ("LIVER FUNCTION", "Hepatic Panel", "LFT"),
    "Lipids": ("LIPID PANEL", "Lipid Profile"),
    "Thyroid": ("THYROID PANEL", "Thyroid Function"),
    "Diabetes": ("DIABETES PANEL", "Glycemic control"),
    "Iron": ("IRON STUDIES", "Iron Panel"),
    "Vitamins": ("VITAMINS", "Vitamin Panel"),
    "Coag": ("COAGULATION", "Coag Screen"),
    "Cardiac": ("CARDIAC MARKERS", "Cardiac Panel"),
    "Hormones": ("HORMONES", "ENDOCRINE", "Immunoassay"),
    "Urine": ("URINALYSIS", "Urine Exam"),
    "Serology": ("SEROLOGY", "Infectious serology"),
}
