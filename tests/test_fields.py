"""Fields read from text: hand-written lines of many origins, exactness on synthetic pages, and no input that breaks or stalls it."""

# ruff: noqa: E501  (tables, one line each)

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trial_lines
from hypothesis import given, settings
from hypothesis import strategies as st

from medocr import fields
from medocr.demo import synthetic
from medocr.fields import directions, lexicon

READERS = (
    fields.read_analytes,
    fields.read_drugs,
    fields.read_header,
    fields.read_options,
    fields.read_receipt,
    fields.read_terms,
    fields.read_fields,
)
DOCUMENTS = Path(__file__).parents[2] / "shared" / "data" / "documents"

# name, value, unit (UCUM), low, high, flag (HL7): what a person reads on the line. The last 115 lines were written as a
# trial: at their first reading 93.8 % of their columns were right, then what failed was mended, but for UNREAD.
LINES = [
    ('Haemoglobin 13.2 g/dL 13.0 - 17.0', [('Haemoglobin', 13.2, 'g/dL', 13, 17, None)]),
    ('Glucose (Fasting) 105 mg/dL 70-99 H', [('Glucose (Fasting)', 105, 'mg/dL', 70, 99, 'H')]),
    ('Protein, Total 7.1 g/dL 6.0-8.3', [('Protein, Total', 7.1, 'g/dL', 6, 8.3, None)]),
    ('Vitamin D, 25-Hydroxy 22 ng/mL 30-100 LOW', [('Vitamin D, 25-Hydroxy', 22, 'ng/mL', 30, 100, 'L')]),
    ('WBC 11.8 High x10E3/uL 3.4-10.8 01', [('WBC', 11.8, '10*3/uL', 3.4, 10.8, 'H')]),
    ('eGFR If NonAfricn Am 98 mL/min/1.73 >59', [('eGFR If NonAfricn Am', 98, 'mL/min/{1.73_m2}', 59, None, None)]),
    ('TSH 2.450 uIU/mL 0.450-4.500', [('TSH', 2.45, 'u[IU]/mL', 0.45, 4.5, None)]),
    ('CHOLESTEROL, TOTAL 212 H <200 mg/dL', [('CHOLESTEROL, TOTAL', 212, 'mg/dL', None, 200, 'H')]),
    ('HDL CHOLESTEROL 38 L > OR = 40 mg/dL', [('HDL CHOLESTEROL', 38, 'mg/dL', 40, None, 'L')]),
    ('HEMOGLOBIN A1c 5.9 H <5.7 % of total Hgb', [('HEMOGLOBIN A1c', 5.9, '%', None, 5.7, 'H')]),
    ('Serum sodium 139 mmol/L [133 - 146]', [('Serum sodium', 139, 'mmol/L', 133, 146, None)]),
    ('Total white cell count 6.2 10*9/L (4.0 - 11.0)', [('Total white cell count', 6.2, '10*9/L', 4, 11, None)]),
    ('Platelet Count 2,45,000 /cumm 1,50,000 - 4,10,000', [('Platelet Count', 245000, '/uL', 150000, 410000, None)]),
    ('Platelet count 1.2 lakhs/cumm 1.5-4.5 L', [('Platelet count', 1.2, '10*5/uL', 1.5, 4.5, 'L')]),
    ('Total Leucocyte Count (TLC) : 12,400 cells/cumm (4,000 - 11,000) H', [('Total Leucocyte Count (TLC)', 12400, '/uL', 4000, 11000, 'H')]),
    ('ESR (Westergren) 32 mm/1st hr 0 - 20 *', [('ESR (Westergren)', 32, 'mm/h', 0, 20, 'A')]),
    ('S. Creatinine 0.9 mg/dl 0.6-1.2', [('S. Creatinine', 0.9, 'mg/dL', 0.6, 1.2, None)]),
    ('. CA-125 12 U/mL 0-35 in serum', [('CA-125', 12, 'U/mL', 0, 35, None)]),
    ('SGOT (AST) 48 IU/L Up to 40 H', [('SGOT (AST)', 48, '[IU]/L', None, 40, 'H')]),
    ('Hb 10.2 gm% 12-16', [('Hb', 10.2, 'g/dL', 12, 16, None)]),
    ('Troponin I <0.01 ng/mL 0.00-0.04', [('Troponin I', '<0.01', 'ng/mL', 0, 0.04, None)]),
    ('Beta hCG, Quantitative >5000 mIU/mL <5', [('Beta hCG, Quantitative', '>5000', 'm[IU]/mL', None, 5, None)]),
    ('ANA Titer 1:160 <1:80 A', [('ANA Titer', '1:160', None, None, None, 'A')]),
    ('HBsAg Non-Reactive', [('HBsAg', 'Non-Reactive', None, None, None, None)]),
    ('HIV 1 & 2 Antibodies NEGATIVE Negative', [('HIV 1 & 2 Antibodies', 'NEGATIVE', None, None, None, None)]),
    ('SARS-CoV-2 RNA: Not Detected', [('SARS-CoV-2 RNA', 'Not Detected', None, None, None, None)]),
    ('Blood Group: O Positive', [('Blood Group', 'O Positive', None, None, None, None)]),
    ('Urine protein 2+ Negative A', [('Urine protein', '2+', None, None, None, 'A')]),
    ('Pus cells 2-4 /hpf 0-5', [('Pus cells', '2-4', '/[HPF]', 0, 5, None)]),
    ('Specific Gravity 1.015 1.005-1.030', [('Specific Gravity', 1.015, None, 1.005, 1.03, None)]),
    ('Leukocyte Esterase Trace Negative', [('Leukocyte Esterase', 'Trace', None, None, None, None)]),
    ('pH 7.32 L 7.35 - 7.45', [('pH', 7.32, None, 7.35, 7.45, 'L')]),
    ('pCO2 48 mmHg 35-45 H', [('pCO2', 48, 'mm[Hg]', 35, 45, 'H')]),
    ('Base Excess -3.1 mmol/L -2.0 - 2.0 L', [('Base Excess', -3.1, 'mmol/L', -2, 2, 'L')]),
    ('K+ 6.8 mEq/L 3.5-5.1 CRITICAL HIGH', [('K+', 6.8, 'meq/L', 3.5, 5.1, 'HH')]),
    ('Glucose 38 mg/dL 70-99 CRITICAL LOW', [('Glucose', 38, 'mg/dL', 70, 99, 'LL')]),
    ('INR 3.2 HH 0.9-1.1', [('INR', 3.2, None, 0.9, 1.1, 'HH')]),
    ('D-Dimer 0.84 mg/L FEU < 0.50 H', [('D-Dimer', 0.84, 'mg/L{FEU}', None, 0.5, 'H')]),
    ('Ferritin 9 ng/mL ↓ 15–150', [('Ferritin', 9, 'ng/mL', 15, 150, 'L')]),
    ('CRP 45 mg/L ↑ (<5)', [('CRP', 45, 'mg/L', None, 5, 'H')]),
    ('Free T4 1.1 ng/dL (0.8 to 1.8)', [('Free T4', 1.1, 'ng/dL', 0.8, 1.8, None)]),
    ('| Potassium | 4.1 | mmol/L | 3.5–5.1 | N |', [('Potassium', 4.1, 'mmol/L', 3.5, 5.1, 'N')]),
    ('<tr><td>Uric Acid</td><td>7.9</td><td>mg/dL</td><td>3.5 - 7.2</td><td>H</td></tr>', [('Uric Acid', 7.9, 'mg/dL', 3.5, 7.2, 'H')]),
    ('Sodium 140 mmol/L 136-145    Chloride 109 mmol/L 98-107 H', [('Sodium', 140, 'mmol/L', 136, 145, None), ('Chloride', 109, 'mmol/L', 98, 107, 'H')]),
    ('Na 138, K 4.2, Cl 101, HCO3 24', [('Na', 138, None, None, None, None), ('K', 4.2, None, None, None, None), ('Cl', 101, None, None, None, None), ('HCO3', 24, None, None, None, None)]),
    ('Hb-9.8 gm/dl, TLC-13,200/cumm, Plt-1.8 lakh/cumm', [('Hb', 9.8, 'g/dL', None, None, None), ('TLC', 13200, '/uL', None, None, None), ('Plt', 1.8, '10*5/uL', None, None, None)]),
    ('Labs on admission: WBC 14.2 K/uL, Hgb 9.1 g/dL, creatinine 2.3 mg/dL.', [('WBC', 14.2, '10*3/uL', None, None, None), ('Hgb', 9.1, 'g/dL', None, None, None), ('creatinine', 2.3, 'mg/dL', None, None, None)]),
    ('Lactate was 3.4 mmol/L and troponin T 52 ng/L.', [('Lactate', 3.4, 'mmol/L', None, None, None), ('troponin T', 52, 'ng/L', None, None, None)]),
    ('Hemoglobin 12-16 g/dL 11.2 L', [('Hemoglobin', 11.2, 'g/dL', 12, 16, 'L')]),
    ('L Hemoglobin 11.2 g/dL 12-16', [('Hemoglobin', 11.2, 'g/dL', 12, 16, 'L')]),
    ('* ALT (SGPT) 88 U/L 7-56', [('ALT (SGPT)', 88, 'U/L', 7, 56, 'A')]),
    ('Hemoglobin 14.1 g/dL Male: 13.5-17.5', [('Hemoglobin', 14.1, 'g/dL', 13.5, 17.5, None)]),
    ('Sex: Female  Haematocrit 38 % (M: 40-52; F: 36-48)', [('Haematocrit', 38, '%', 36, 48, None)]),
    ('Triglycerides 162 mg/dL Normal: <150 Borderline: 150-199 High: 200-499', [('Triglycerides', 162, 'mg/dL', None, 150, None)]),
    ('LDL Chol Calc (NIH) 131 High mg/dL 0-99', [('LDL Chol Calc (NIH)', 131, 'mg/dL', 0, 99, 'H')]),
    ('BUN/Creatinine Ratio 18 9-20', [('BUN/Creatinine Ratio', 18, None, 9, 20, None)]),
    ('A/G Ratio 1.6 1.2-2.2', [('A/G Ratio', 1.6, None, 1.2, 2.2, None)]),
    ('Vitamin B12 350 pg/mL 211-946', [('Vitamin B12', 350, 'pg/mL', 211, 946, None)]),
    ('CA 19-9 20.1 U/mL <37', [('CA 19-9', 20.1, 'U/mL', None, 37, None)]),
    ('Microalbumin/Creatinine Ratio 45 mg/g creat <30 H', [('Microalbumin/Creatinine Ratio', 45, 'mg/g{creat}', None, 30, 'H')]),
    ('Interleukin-8 12.5 pg/mL 0.0-15.0', [('Interleukin-8', 12.5, 'pg/mL', 0, 15, None)]),
    ('Zonulin 68 ng/mL < 60 H', [('Zonulin', 68, 'ng/mL', None, 60, 'H')]),
    ('RBC 4.7 million/µL 4.2–5.9', [('RBC', 4.7, '10*6/uL', 4.2, 5.9, None)]),
    ('Leukozyten 7.8 G/l 4,0 - 10,0', [('Leukozyten', 7.8, '10*9/L', 4, 10, None)]),
    ('Hämoglobin 14,2 g/dl 13,5 - 17,5', [('Hämoglobin', 14.2, 'g/dL', 13.5, 17.5, None)]),
    ('Créatinine 88 µmol/L 62 à 106', [('Créatinine', 88, 'umol/L', 62, 106, None)]),
    ('MCV ........ 88.4 fL ..... 80 - 100', [('MCV', 88.4, 'fL', 80, 100, None)]),
    ('Hemoglobin:13.2g/dL(12.0-16.0)', [('Hemoglobin', 13.2, 'g/dL', 12, 16, None)]),
    ('Prothrombin Time 12.1 sec 11.0 - 13.5', [('Prothrombin Time', 12.1, 's', 11, 13.5, None)]),
    ('Anti-CCP 250 U/mL Less than 20', [('Anti-CCP', 250, 'U/mL', None, 20, None)]),
    ('Vancomycin trough 15.2 mcg/mL 10.0-20.0', [('Vancomycin trough', 15.2, 'ug/mL', 10, 20, None)]),
    ('Amoxicillin 500 mg capsule TID x 7 days', []),
    ('Insulin glargine 10 units SC at bedtime', []),
    ('DOB: 03/04/1975  Collected: 2024-03-01 08:30', []),
    ('Page 1 of 2', []),
    ('1200 Main Street, Suite 300, Springfield, IL 62701  Phone 555-123-4567', []),
    ('BP 128/76 mmHg, HR 82 bpm, RR 16, Temp 98.6 F, SpO2 98 %', []),
    ('Follow up in 2-3 weeks. Take 1-2 tablets every 4-6 hours.', []),
    ('Accession: 240301-1234   MRN 445566', []),
    ('Subtotal 12.50 Tax 8% 1.00 Total 13.50', []),
    ('Carbon Dioxide, Total 24 mmol/L 20-29 01', [('Carbon Dioxide, Total', 24, 'mmol/L', 20, 29, None)]),
    ('Neutrophils (Absolute) 7.9 High x10E3/uL 1.4-7.0', [('Neutrophils (Absolute)', 7.9, '10*3/uL', 1.4, 7.0, 'H')]),
    ('Immature Grans (Abs) 0.0 x10E3/uL 0.0-0.1', [('Immature Grans (Abs)', 0.0, '10*3/uL', 0, 0.1, None)]),
    ('ABSOLUTE NEUTROPHILS 3542 1500-7800 cells/uL', [('ABSOLUTE NEUTROPHILS', 3542, '/uL', 1500, 7800, None)]),
    ('UREA NITROGEN (BUN) 27 H 7-25 mg/dL', [('UREA NITROGEN (BUN)', 27, 'mg/dL', 7, 25, 'H')]),
    ('eGFR NON-AFR. AMERICAN 58 L > OR = 60 mL/min/1.73m2', [('eGFR NON-AFR. AMERICAN', 58, 'mL/min/{1.73_m2}', 60, None, 'L')]),
    ('BILIRUBIN, TOTAL 0.6 0.2-1.2 mg/dL', [('BILIRUBIN, TOTAL', 0.6, 'mg/dL', 0.2, 1.2, None)]),
    ('Serum alkaline phosphatase 131 u/L 30 - 130 H', [('Serum alkaline phosphatase', 131, 'U/L', 30, 130, 'H')]),
    ('Haemoglobin estimation 118 g/L [115.0 - 160.0]', [('Haemoglobin estimation', 118, 'g/L', 115, 160, None)]),
    ('Serum C reactive protein level < 1 mg/L [0.0 - 5.0]', [('Serum C reactive protein level', '< 1', 'mg/L', 0, 5, None)]),
    ('Haemoglobin A1c level - IFCC standardised 42 mmol/mol', [('Haemoglobin A1c level - IFCC standardised', 42, 'mmol/mol', None, None, None)]),
    ('GFR calculated abbreviated MDRD 62 mL/min/1.73m*2', [('GFR calculated abbreviated MDRD', 62, 'mL/min/{1.73_m2}', None, None, None)]),
    ('Packed Cell Volume (PCV) 39.6 % 40 - 50 Low', [('Packed Cell Volume (PCV)', 39.6, '%', 40, 50, 'L')]),
    ('Mean Corp. Volume (MCV) 84.1 fL 83.0 - 101.0 Calculated', [('Mean Corp. Volume (MCV)', 84.1, 'fL', 83, 101, None)]),
    ('TOTAL RBC COUNT 4.9 mill/cu.mm 4.5 - 5.5', [('TOTAL RBC COUNT', 4.9, '10*6/uL', 4.5, 5.5, None)]),
    ('Blood Urea 28.0 mg/dl 15 - 45', [('Blood Urea', 28, 'mg/dL', 15, 45, None)]),
    ('Serum Bilirubin (Direct) 0.21 mg/dL 0.0-0.3', [('Serum Bilirubin (Direct)', 0.21, 'mg/dL', 0, 0.3, None)]),
    ('FBS: 142 mg/dL', [('FBS', 142, 'mg/dL', None, None, None)]),
    ('PPBS - 210 mg%', [('PPBS', 210, 'mg/dL', None, None, None)]),
    ('HbA1c 8.1 %  (Good control < 7.0)', [('HbA1c', 8.1, '%', None, 7.0, None)]),
    ('VDRL Non reactive', [('VDRL', 'Non reactive', None, None, None, None)]),
    ('Widal: S. Typhi O 1:80', [('S. Typhi O', '1:80', None, None, None, None)]),
    ('Dengue NS1 Antigen Positive', [('Dengue NS1 Antigen', 'Positive', None, None, None, None)]),
    ('Malarial Parasite Not seen', [('Malarial Parasite', 'Not seen', None, None, None, None)]),
    ('Epithelial cells Few /hpf', [('Epithelial cells', 'Few', '/[HPF]', None, None, None)]),
    ('Colour Pale yellow', [('Colour', 'Pale yellow', None, None, None, None)]),
    ('RBC 3-5 /HPF 0 - 2 H', [('RBC', '3-5', '/[HPF]', 0, 2, 'H')]),
    ('Ketones NEGATIVE mg/dL NEGATIVE', [('Ketones', 'NEGATIVE', 'mg/dL', None, None, None)]),
    ('Urobilinogen 0.2 E.U./dL 0.2 - 1.0', [('Urobilinogen', 0.2, "{Ehrlich'U}/dL", 0.2, 1.0, None)]),
    ('Hgb 7.9* g/dL (12.0-15.5)', [('Hgb', 7.9, 'g/dL', 12, 15.5, 'A')]),
    ('WBC 3.1 (L) 4.5 - 11.0 K/mcL', [('WBC', 3.1, '10*3/uL', 4.5, 11, 'L')]),
    ('Potassium 5.9 (H) 3.5 - 5.0 mmol/L', [('Potassium', 5.9, 'mmol/L', 3.5, 5, 'H')]),
    ('Troponin T, High Sensitivity 64 ng/L <=14 HH', [('Troponin T, High Sensitivity', 64, 'ng/L', None, 14, 'HH')]),
    ('PSA, Total 4.8 ng/mL [0.0-4.0] H', [('PSA, Total', 4.8, 'ng/mL', 0, 4, 'H')]),
    ('Testosterone, Total, LC/MS 412 ng/dL 264-916', [('Testosterone, Total, LC/MS', 412, 'ng/dL', 264, 916, None)]),
    ('Vit B-12 188 pg/mL 200-900 L', [('Vit B-12', 188, 'pg/mL', 200, 900, 'L')]),
    ('25-OH Vitamin D (Total) 18.4 ng/ml 30-100', [('25-OH Vitamin D (Total)', 18.4, 'ng/mL', 30, 100, None)]),
    ('Estimated Avg Glucose 128 mg/dL', [('Estimated Avg Glucose', 128, 'mg/dL', None, None, None)]),
    ('Albumin/Globulin Ratio 1.4 1.1-2.2', [('Albumin/Globulin Ratio', 1.4, None, 1.1, 2.2, None)]),
    ('T. Chol/HDL Ratio 5.2 ratio 0.0-5.0 H', [('T. Chol/HDL Ratio', 5.2, '{ratio}', 0, 5, 'H')]),
    ('Prothrombin time (PT) 14.9 s 9.4 - 12.5 High', [('Prothrombin time (PT)', 14.9, 's', 9.4, 12.5, 'H')]),
    ('aPTT 31 seconds 25 - 36', [('aPTT', 31, 's', 25, 36, None)]),
    ('Anti-TPO antibodies > 1000 IU/mL < 34', [('Anti-TPO antibodies', '> 1000', '[IU]/mL', None, 34, None)]),
    ('HCV RNA Quant <15 IU/mL Not Detected', [('HCV RNA Quant', '<15', '[IU]/mL', None, None, None)]),
    ('HIV-1 RNA 48,200 copies/mL', [('HIV-1 RNA', 48200, '{copies}/mL', None, None, None)]),
    ('CD4 Count 312 cells/mm3 500-1500 L', [('CD4 Count', 312, '/uL', 500, 1500, 'L')]),
    ('Rheumatoid Factor <10 IU/mL 0-14', [('Rheumatoid Factor', '<10', '[IU]/mL', 0, 14, None)]),
    ('LDH 410 U/L (140–280) ↑↑', [('LDH', 410, 'U/L', 140, 280, 'HH')]),
    ('Thrombozyten 312 Tsd/µl 150 - 400', [('Thrombozyten', 312, '10*3/uL', 150, 400, None)]),
    ('Kreatinin 1,12 mg/dl < 1,20', [('Kreatinin', 1.12, 'mg/dL', None, 1.2, None)]),
    ('GOT (AST) 34 U/l bis 35', [('GOT (AST)', 34, 'U/L', None, 35, None)]),
    ('Glycémie à jeun 1,05 g/L 0,70 - 1,10', [('Glycémie à jeun', 1.05, 'g/L', 0.7, 1.1, None)]),
    ('Hematíes 4,85 10^6/µL 4,5 - 5,9', [('Hematíes', 4.85, '10*6/uL', 4.5, 5.9, None)]),
    ('Creatinine 1.9 mg/dL (baseline 1.1)', [('Creatinine', 1.9, 'mg/dL', None, None, None)]),
    ('Her potassium was 2.9 mEq/L on arrival, repleted to 3.8.', [('potassium', 2.9, 'meq/L', None, None, None)]),
    ('INR therapeutic at 2.4 on warfarin 5 mg daily', [('INR', 2.4, None, None, None, None)]),
    ('TSH: 0.02 mIU/L (ref 0.4-4.0), FT4: 38 pmol/L (ref 9-19)', [('TSH', 0.02, 'm[IU]/L', 0.4, 4, None), ('FT4', 38, 'pmol/L', 9, 19, None)]),
    ('CBC: WBC 7.8, Hb 13.4, Plt 256', [('WBC', 7.8, None, None, None, None), ('Hb', 13.4, None, None, None, None), ('Plt', 256, None, None, None, None)]),
    ('Sodium | 131 | L | 135 - 145 | mmol/L', [('Sodium', 131, 'mmol/L', 135, 145, 'L')]),
    ('|Test|Result|Unit|Range|\n|---|---|---|---|\n|Glucose|92|mg/dL|70-99|\n|TSH|5.1 H|mIU/L|0.4-4.0|', [('Glucose', 92, 'mg/dL', 70, 99, None), ('TSH', 5.1, 'm[IU]/L', 0.4, 4, 'H')]),
    ('<table><tr><th>Test</th><th>Value</th></tr><tr><td>WBC</td><td>6.1 ×10<sup>9</sup>/L</td></tr></table>', [('WBC', 6.1, '10*9/L', None, None, None)]),
    ('Platelets $250 \\times 10^{3}/\\mu L$ 150-450', [('Platelets', 250, '10*3/uL', 150, 450, None)]),
    ('Hemoglobin\n13.2\ng/dL\n12.0-16.0\nHematocrit\n39.5\n%\n36-46', [('Hemoglobin', 13.2, 'g/dL', 12, 16, None), ('Hematocrit', 39.5, '%', 36, 46, None)]),
    ('Magnesium 1.5 mg/dL 1.7 - 2.2 L Phosphorus 3.1 mg/dL 2.5 - 4.5', [('Magnesium', 1.5, 'mg/dL', 1.7, 2.2, 'L'), ('Phosphorus', 3.1, 'mg/dL', 2.5, 4.5, None)]),
    ('Iron Binding Capacity 410 ug/dL 250 to 425', [('Iron Binding Capacity', 410, 'ug/dL', 250, 425, None)]),
    ('Cortisol - AM 14.2 µg/dL 6.2-19.4', [('Cortisol - AM', 14.2, 'ug/dL', 6.2, 19.4, None)]),
    ('Ca 125 II 18.0 U/mL 0.0-38.1', [('Ca 125 II', 18, 'U/mL', 0, 38.1, None)]),
    ('Lipase 38 U/L 13 - 60 Normal', [('Lipase', 38, 'U/L', 13, 60, 'N')]),
    ('Amylase 112 U/L Above 100', [('Amylase', 112, 'U/L', 100, None, None)]),
    ('Homocysteine 12.8 umol/L Not above 15', [('Homocysteine', 12.8, 'umol/L', None, 15, None)]),
    ('Fasting Blood Sugar 98 mg/dl 70 - 110 mg/dl', [('Fasting Blood Sugar', 98, 'mg/dL', 70, 110, None)]),
    ('Serum Calcium 8.2 mg/dL L 8.5 to 10.2', [('Serum Calcium', 8.2, 'mg/dL', 8.5, 10.2, 'L')]),
    ('Paracetamol 650 mg SOS x 3 days', []),
    ('Tab. Augmentin 625 mg 1-0-1 x 5 days', []),
    ('Rx: Amoxicillin 500mg cap, 1 cap PO TID x 10d', []),
    ('Calcium 500 mg + Vitamin D3 250 IU tablet once daily', []),
    ('Normal saline 0.9 % 500 mL IV over 4 hours', []),
    ('Weight 72 kg  Height 168 cm  BMI 25.5 kg/m2', []),
    ('Specimen collected 12/03/2024 at 09:15, received 12/03/2024 11:40', []),
    ('Glucose 2 hours after meals should be checked 3 times a week', []),
    ('Report ID 12345-67  NPI 1234567890  CLIA 05D1234567', []),
    ('Ejection fraction 55-60 %. Aortic root 3.2 cm.', []),
    ('Furosemide 40 mg IV daily, potassium chloride 20 mEq PO BID', []),
    ('45-year-old male with 2-day history of fever, 101.2 F', []),
    ('Call 1-800-555-0199 between 9:00-17:00. Ref 2024/118', []),
    ('Consultation fee 500.00  GST 18% 90.00', []),
    ('Creatinine, Ser 1.31 High mg/dL 0.76-1.27', [('Creatinine, Ser', 1.31, 'mg/dL', 0.76, 1.27, 'H')]),
    ('Hemoglobin A1c 6.2 H % 4.8-5.6', [('Hemoglobin A1c', 6.2, '%', 4.8, 5.6, 'H')]),
    ('MCHC 33.9 32.0-36.0 g/dL', [('MCHC', 33.9, 'g/dL', 32, 36, None)]),
    ('Serum ferritin 12 ug/L [15.0 - 300.0]; Below low reference limit', [('Serum ferritin', 12, 'ug/L', 15, 300, 'L')]),
    ('TOTAL CHOLESTEROL : 246 mg/dl  Desirable : < 200', [('TOTAL CHOLESTEROL', 246, 'mg/dL', None, 200, None)]),
    ('Differential Count: Neutrophils 68 %, Lymphocytes 25 %, Eosinophils 4 %', [('Neutrophils', 68, '%', None, None, None), ('Lymphocytes', 25, '%', None, None, None), ('Eosinophils', 4, '%', None, None, None)]),
    ('Serum Amylase 430 U/L (H) Ref: 28 - 100', [('Serum Amylase', 430, 'U/L', 28, 100, 'H')]),
    ('CK-MB 3.1 ng/mL 0.0 to 4.9 Normal', [('CK-MB', 3.1, 'ng/mL', 0, 4.9, 'N')]),
    ('NT-proBNP 1,840 pg/mL <125 HIGH', [('NT-proBNP', 1840, 'pg/mL', None, 125, 'H')]),
    ('Blood culture No growth', [('Blood culture', 'No growth', None, None, None, None)]),
    ('COVID-19 PCR POSITIVE Negative A', [('COVID-19 PCR', 'POSITIVE', None, None, None, 'A')]),
    ('RPR Titer 1:32', [('RPR Titer', '1:32', None, None, None, None)]),
    ('Apixaban anti-Xa level 112 ng/mL', [('Apixaban anti-Xa level', 112, 'ng/mL', None, None, None)]),
    ('Copper, Serum 98 mcg/dL 70 - 175', [('Copper, Serum', 98, 'ug/dL', 70, 175, None)]),
    ('Methylmalonic Acid 320 nmol/L 87-318 H', [('Methylmalonic Acid', 320, 'nmol/L', 87, 318, 'H')]),
    ('IgE, Total 240 kU/L <100 H', [('IgE, Total', 240, 'kU/L', None, 100, 'H')]),
    ('On discharge Hb was 10.4 g/dL and platelets 95 x 10^9/L.', [('Hb', 10.4, 'g/dL', None, None, None), ('platelets', 95, '10*9/L', None, None, None)]),
    ('U&E: Na 134 mmol/L, K 5.2 mmol/L, Urea 11.3 mmol/L, Creat 142 umol/L', [('Na', 134, 'mmol/L', None, None, None), ('K', 5.2, 'mmol/L', None, None, None), ('Urea', 11.3, 'mmol/L', None, None, None), ('Creat', 142, 'umol/L', None, None, None)]),
    ('ABG: pH 7.28 / pCO2 62 / pO2 58 / HCO3 29', [('pH', 7.28, None, None, None, None), ('pCO2', 62, None, None, None, None), ('pO2', 58, None, None, None, None), ('HCO3', 29, None, None, None, None)]),
    ('Alkaline Phosphatase, S 88 IU/L 39-117', [('Alkaline Phosphatase, S', 88, '[IU]/L', 39, 117, None)]),
    ('Vitamin D 25 OH 16 ng/mL Deficient <20', [('Vitamin D 25 OH', 16, 'ng/mL', None, 20, None)]),
    ('Urine Microalbumin 25.4 mg/L Upto 20', [('Urine Microalbumin', 25.4, 'mg/L', None, 20, None)]),
    ('T3, Free 3.1 pg/mL 2.0 - 4.4', [('T3, Free', 3.1, 'pg/mL', 2, 4.4, None)]),
    ('Triglyceride 2.3 mmol/L <= 1.7 ▲', [('Triglyceride', 2.3, 'mmol/L', None, 1.7, 'H')]),
    ('eGFR >90 mL/min/1.73m² >=60', [('eGFR', '>90', 'mL/min/{1.73_m2}', 60, None, None)]),
    ('Mr. John Smith, 12 Oak Street, M14 5RT', []),
    ('Continue aspirin 75 mg OD, atorvastatin 40 mg nocte and ramipril 5 mg OD.', []),
    ('Operation on 12/02/2024, length of stay 4 days, next visit 10:30', []),
]  # fmt: skip

UNREAD = ("Bleeding Time 2 min 30 sec 1 - 6 min", [("Bleeding Time", 2, "min", 1, 6, None)])  # minutes and seconds


def columns(text):
    return [(a.name, a.value, a.unit, a.low, a.high, a.flag) for a in fields.read_analytes(text)]


def share_right(lines):
    """Share of columns read right; a row too many counts as a row of wrong columns."""
    right = total = 0
    for text, *rest in lines:
        wanted, got = rest[0], columns(text)
        total += 6 * max(len(wanted), len(got))
        right += sum(a == b for row, read in zip(wanted, got, strict=False) for a, b in zip(row, read, strict=True))
    return right / total


def test_columns_of_hand_written_lines():
    assert len(LINES) >= 60
    assert share_right([*LINES, UNREAD, *trial_lines.LINES]) >= 0.95


@pytest.mark.xfail(strict=True, reason="a value in two units is not read")
def test_value_in_two_units():
    assert columns(UNREAD[0]) == UNREAD[1]


@pytest.mark.parametrize(("text", "rows"), [*LINES, *trial_lines.LINES])
def test_line(text, rows):
    assert columns(text) == rows


def test_lines_of_one_page_run_together():
    """Rows that run into each other are told apart, whatever their order of columns."""
    plain = [line for line in LINES[:28] if "\n" not in line[0] and "<" not in line[0][:1]]
    joined = " ".join(text for text, _ in plain)
    wanted = [row for _, rows in plain for row in rows]
    got = columns(joined)
    assert sum(row in got for row in wanted) / len(wanted) >= 0.9


def drafts(doc_type, count):
    for index in range(count):
        yield synthetic.DRAWN_BY[doc_type](random.Random(f"fields/{doc_type}/{index}"), index % 160)


@pytest.mark.parametrize("joint", ["\n", " "], ids=["lines", "continuous"])
def test_synthetic_lab_reports_are_read_exactly(joint):
    for draft in drafts("lab_report", 320):
        wanted = [
            tuple(row[key] for key in ("name", "value", "unit", "low", "high", "flag"))
            for row in draft.fields["analytes"]
        ]
        assert folded(columns(draft.text.replace("\n", joint))) == folded(wanted), draft.text


def folded(rows):
    return [(name, value.casefold() if isinstance(value, str) else value, *rest) for name, value, *rest in rows]


@pytest.mark.parametrize("joint", ["\n", " "], ids=["lines", "continuous"])
def test_synthetic_headers_are_read(joint):
    known = {
        "facility",
        "patient",
        "age",
        "sex",
        "date_of_birth",
        "mrn",
        "accession",
        "report",
        "npi",
        "doctor",
        "collected",
        "received",
        "reported",
    }
    wanted = right = 0
    for doc_type in ("lab_report", "prescription", "form"):
        for draft in drafts(doc_type, 160):
            header = fields.read_header(draft.text.replace("\n", joint))
            for name in known & draft.fields["header"].keys():
                wanted += 1
                right += header.get(name) == draft.fields["header"][name]
    assert right / wanted >= 0.98


@pytest.mark.parametrize("joint", ["\n", " "], ids=["lines", "continuous"])
def test_synthetic_prescriptions_are_read(joint):
    wanted = right = 0
    for draft in drafts("prescription", 160):
        orders = {(o.drug, o.dose, o.unit): o for o in fields.read_drugs(draft.text.replace("\n", joint))}
        for drug in draft.fields["drugs"]:
            order = orders.get((drug["drug"], drug["dose"], fields.unit_code(drug["unit"] or "")))
            wanted += 1
            right += bool(order) and order.frequency == drug["frequency"] and order.duration == drug["duration"]
    assert right / wanted >= 0.98


def test_synthetic_forms_and_receipts_are_read():
    for draft in drafts("form", 80):
        options = [(option.label, option.ticked) for option in fields.read_options(draft.text)]
        assert options == [(option["label"], option["ticked"]) for option in draft.fields["options"]], draft.text
    right = wanted = 0
    for doc_type in ("receipt", "invoice"):
        for draft in drafts(doc_type, 80):
            receipt = fields.read_receipt(draft.text)
            amounts = {
                name: float(draft.fields[name].replace(",", "")) for name in ("tax", "total") if draft.fields.get(name)
            }
            wanted += 1 + len(amounts)
            right += (receipt.issuer == draft.fields["issuer"]) + sum(
                getattr(receipt, name) == value for name, value in amounts.items()
            )
    assert right / wanted >= 0.98


ORDERS = [
    ("Tab. Augmentin 625 mg 1-0-1 x 5 days", ("Augmentin", 625, "mg", "Tab", None, "1-0-1", "5 days")),
    ("Rx: Amoxicillin 500mg cap, 1 cap PO TID x 10d", ("Amoxicillin", 500, "mg", "cap", "PO", "TID", "10d")),
    ("1. Tab Dolo 650 1-1-1 x 3 days", ("Dolo", 650, None, "Tab", None, "1-1-1", "3 days")),
    ("Inj. Ceftriaxone 1 g IV q12h x 5 days", ("Ceftriaxone", 1, "g", "Inj", "IV", "q12h", "5 days")),
    ("Insulin glargine 10 units SC at bedtime", ("Insulin glargine", 10, "U", None, "SC", "at bedtime", None)),
    ("Salbutamol inhaler 2 puffs q6h PRN", ("Salbutamol", 2, "{puff}", "inhaler", None, "q6h PRN", None)),
    ("Amoxicilin 500 mg t.i.d. for 7 days", ("Amoxicilin", 500, "mg", None, None, "t.i.d.", "7 days")),
    ("Syp. Crocin 5 ml SOS", ("Crocin", 5, "mL", "Syp", None, "SOS", None)),
    ("Lisinopril 10 mg tablet, take 1 tablet by mouth once daily", ("Lisinopril", 10, "mg", "tablet", "by mouth", "once daily", None)),
    ("Amoxicillin-clavulanate 875-125 mg PO BID x 7 days", ("Amoxicillin-clavulanate", "875-125", "mg", None, "PO", "BID", "7 days")),
    ("TAB Lisinopril 40 mg 1-0-0 90d", ("Lisinopril", 40, "mg", "TAB", None, "1-0-0", "90d")),
    ("Augmentin 250 mg/5 mL susp 5 mL PO q8h for 10 days", ("Augmentin", 250, "mg/(5.mL)", "susp", "PO", "q8h", "10 days")),
    ("Vitamin D3 60,000 IU once weekly x 8 weeks", ("Vitamin D3", 60000, "[IU]", None, None, "once weekly", "8 weeks")),
    ("Tab. Xyzolin 5 mg OD", ("Xyzolin", 5, "mg", "Tab", None, "OD", None)),
    ("Levothyroxine 75 mcg po qam", ("Levothyroxine", 75, "ug", None, "po", "qam", None)),
    ("Metoprolol succinate ER 50 mg daily", ("Metoprolol succinate ER", 50, "mg", None, None, "daily", None)),
    ("Timolol 0.5% eye drops 1 drop both eyes BID", ("Timolol", 0.5, "%", "eye drops", "both eyes", "BID", None)),
    ("Warfarin 2.5 mg every other day", ("Warfarin", 2.5, "mg", None, None, "every other day", None)),
    ("Ibuprofen 400 mg every 6 to 8 hours as needed", ("Ibuprofen", 400, "mg", None, None, "every 6 to 8 hours as needed", None)),
    ("Folic acid 5 mg OD x 3 months", ("Folic acid", 5, "mg", None, None, "OD", "3 months")),
    ("T. Telma 40 1-0-0", ("Telma", 40, None, "T", None, "1-0-0", None)),
    ("Patient is allergic to penicillin.", None),
    ("Allergies: Sulfa, Aspirin", None),
    ("Hemoglobin 13.2 g/dL 12.0-16.0", None),
    ("Digoxin 1.2 ng/mL 0.8-2.0", None),
    ("The patient denies taking ibuprofen.", None),
    ("Invoice 500 Total 12.00", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), [*ORDERS, *trial_lines.ORDERS])
def test_drug_order(text, wanted):
    orders = [(o.drug, o.dose, o.unit, o.form, o.route, o.frequency, o.duration) for o in fields.read_drugs(text)]
    assert orders == ([wanted] if wanted else [])


def test_drug_orders_run_together():
    texts = [(text, wanted) for text, wanted in ORDERS if wanted]
    orders = fields.read_drugs(" ".join(text for text, _ in texts))
    assert [order.drug for order in orders] == [wanted[0] for _, wanted in texts]


HEADERS = [
    ("Patient Name: Smith, John A.  DOB: 03/04/1975  Sex: M", {"patient": "Smith, John A.", "date_of_birth": "03/04/1975", "sex": "M"}),
    ("Name : Mrs. Anita Rao     Age/Sex : 45 Y / F", {"patient": "Mrs. Anita Rao", "age": "45", "sex": "F"}),
    ("MRN: 00123456\nAccession #: A24-00981\nReport ID: R-5567", {"mrn": "00123456", "accession": "A24-00981", "report": "R-5567"}),
    ("UHID: AB1234567  Ref. By: Dr. S. K. Gupta", {"mrn": "AB1234567", "doctor": "S. K. Gupta"}),
    ("Ordering Physician: Jane Doe, MD  NPI: 1234567893", {"doctor": "Jane Doe", "npi": "1234567893"}),
    ("Collected: 12 Mar 2024 08:15\nReceived: 12 Mar 2024 10:02\nReported: 13-Mar-2024", {"collected": "12 Mar 2024", "received": "12 Mar 2024", "reported": "13-Mar-2024"}),
    ("Date of Birth 1961-12-30 Gender Female", {"date_of_birth": "1961-12-30", "sex": "Female"}),
    ("St. Mary's Hospital\n12 High Street\nNHS No: 943 476 5919", {"facility": "St. Mary's Hospital", "mrn": "943 476 5919"}),
    ("| Patient | Maria Lopez |\n| Age | 33 |", {"patient": "Maria Lopez", "age": "33"}),
    ("Sample Collected On: 01/02/2024 Report Date: 02/02/2024", {"collected": "01/02/2024", "reported": "02/02/2024"}),
    ("Age: 8 months  Sex: Male", {"age": "8 months", "sex": "Male"}),
    ("Total cholesterol and glucose were normal.", {}),
    ("", {}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), HEADERS, ids=[text[:30] for text, _ in HEADERS])
def test_header(text, wanted):
    assert fields.read_header(text) == wanted


FORMS = [
    ("☑ Yes ☐ No", [("Yes", True), ("No", False)]),
    ("Yes ☐ No ☒", [("Yes", False), ("No", True)]),
    ("Smoker: [x] Yes [ ] No", [("Yes", True), ("No", False)]),
    ("- [x] Diabetes\n- [ ] Asthma", [("Diabetes", True), ("Asthma", False)]),
    ("Gender ( ) Male (X) Female", [("Male", False), ("Female", True)]),
    (":selected: Single :unselected: Married", [("Single", True), ("Married", False)]),
    ("Nothing to tick here", []),
]


@pytest.mark.parametrize(("text", "wanted"), FORMS, ids=[text[:30] for text, _ in FORMS])
def test_form(text, wanted):
    assert [(option.label, option.ticked) for option in fields.read_options(text)] == wanted


def test_options_know_their_question():
    options = fields.read_options("1. Smoker? ☐ Yes ☑ No 2. Diabetic? ☑ Yes ☐ No")
    assert [(option.question, option.label, option.ticked) for option in options] == [
        ("Smoker", "Yes", False),
        ("Smoker", "No", True),
        ("Diabetic", "Yes", True),
        ("Diabetic", "No", False),
    ]


def test_receipt():
    receipt = fields.read_receipt(
        "Blue Cafe\n1 Main St\n12/03/2024 10:15\n2 x Latte 7.00\nMuffin 3.25\nSubtotal 10.25\nTax (8%) 0.82\nTOTAL $11.07\nCASH 20.00\nCHANGE 8.93"
    )
    assert (receipt.issuer, receipt.date, receipt.subtotal, receipt.tax, receipt.tax_rate, receipt.total) == (
        "Blue Cafe",
        "12/03/2024",
        10.25,
        0.82,
        8.0,
        11.07,
    )
    assert [(item.item, item.quantity, item.amount) for item in receipt.items] == [
        ("Latte", 2.0, 7.0),
        ("Muffin", None, 3.25),
    ]


@pytest.mark.parametrize(
    ("printed", "total"),
    [("Total 1,234.50", 1234.5), ("Total 1.234,50 €", 1234.5), ("Amount due: £12.00", 12.0), ("TOTAL 9", None)],
)
def test_totals(printed, total):
    assert fields.read_receipt(f"Shop\n{printed}").total == total


@pytest.mark.parametrize(
    ("printed", "code"),
    [("mg/dL", "mg/dL"), ("MG/DL", "mg/dL"), ("K/uL", "10*3/uL"), ("x10^3/µL", "10*3/uL"), ("10³/μL", "10*3/uL"), ("x10E3/uL", "10*3/uL"), ("thou/cumm", "10*3/uL"),
     ("mL/min/1.73m2", "mL/min/{1.73_m2}"), ("µIU/mL", "u[IU]/mL"), ("μIU/mL", "u[IU]/mL"), ("mEq/L", "meq/L"), ("cells/cumm", "/uL"), ("/µL", "/uL"), ("mcg/dL", "ug/dL"),
     ("gm%", "g/dL"), ("%", "%"), ("mm/1st hr", "mm/h"), ("IU/L", "[IU]/L"), ("mg/g creat", "mg/g{creat}"), ("G/L", "10*9/L"), ("wibble", None), ("", None), ("mg/wibble", None)],
)  # fmt: skip
def test_units(printed, code):
    assert fields.unit_code(printed) == code


def test_unit_codes_are_their_own_codes():
    for printed in ("mg/dL", "K/uL", "µIU/mL", "mEq/L", "IU/L", "mL/min/1.73m2", "mcg", "IU", "mg/5 mL"):
        assert fields.unit_code(fields.unit_code(printed)) == fields.unit_code(printed)


def test_drugs_are_recognised_and_never_corrected():
    assert fields.recognise_drug("Metformin") == ("metformin", True)
    assert fields.recognise_drug("Metfornin") == ("metformin", False)
    assert fields.recognise_drug("Wednesday") is None
    assert fields.read_drugs("Metfornin 500 mg BID")[0].drug == "Metfornin"


def test_terms():
    terms = fields.read_terms("Metformin 500 mg BID for T2DM; Vitamin B12 and HbA1c next week. Water with food.")
    assert [(term.kind, term.name) for term in terms] == [
        ("drug", "metformin"),
        ("abbreviation", "bid"),
        ("abbreviation", "t2dm"),
        ("analyte", "vitaminb12"),
        ("analyte", "hba1c"),
    ]


def test_everyday_words_are_no_drugs():
    text = (
        "the patient should take water with food every morning and sleep well at night orange rest plan total date time"
    )
    assert not [word for word in text.split() if word in lexicon.drugs()]
    assert len(lexicon.drugs()) > 5_000


def test_lexicon_is_small():
    assert sum(file.stat().st_size for file in lexicon.DATA.iterdir()) < 300_000


def test_sex_chooses_the_range():
    line = "Hemoglobin 13.0 g/dL M: 13.5-17.5 F: 12.0-15.5"
    assert columns(f"Sex: F\n{line}")[0][3:5] == (12.0, 15.5)
    assert columns(f"Sex: M\n{line}")[0][3:5] == (13.5, 17.5)


def test_line_numbers():
    assert [a.line for a in fields.read_analytes("Lab\n\nWBC 7.2 K/uL 4-11\nHb 13 g/dL 12-16")] == [2, 3]
    assert [d.line for d in fields.read_drugs("Rx\nMetformin 500 mg BID\nAspirin 75 mg OD")] == [1, 2]


@pytest.mark.parametrize("sign", ["\v", "\f", "\x85", "\u2028", "\u2029"])
def test_a_line_ends_where_any_sign_breaks_it(sign):
    rows = fields.read_fields(f"Patient: Ann{sign}Iron 4.1 mmol/L{sign}Urea 5 mmol/L")["analytes"]
    assert [(row["name"], row["line"]) for row in rows] == [("Iron", 1), ("Urea", 2)]


def test_read_fields_is_json_and_keeps_to_the_type():
    text = "Sodium 140 mmol/L 136-145\nMetformin 500 mg BID\nTotal 12.50"
    assert json.loads(json.dumps(fields.read_fields(text)))["analytes"][0]["value"] == 140.0
    assert fields.read_fields(text, "receipt").keys() == {"receipt"}
    assert "receipt" not in fields.read_fields(text, "lab_report")
    assert fields.read_fields("") == {}


def test_other_readers_outputs_never_raise():
    files = sorted(DOCUMENTS.rglob("*.json"))
    if not files:
        pytest.skip(f"no documents under {DOCUMENTS}")
    for file in files:
        words = "\n".join(strings(json.loads(file.read_text(encoding="utf-8", errors="replace"))))[:60_000]
        for text in (words, words.replace("\n", " ")):
            for read in READERS:
                read(text)


def strings(value):
    if isinstance(value, dict):
        value = [part for key, part in value.items() if key not in ("boundingBox", "Geometry", "Id", "Ids")]
    if isinstance(value, list):
        return [text for part in value for text in strings(part)]
    return [value] if isinstance(value, str) else []


PIECES = st.lists(
    st.sampled_from(
        ["Hemoglobin", "Hb", "K", "13.2", "1-0-1", "-", "<", ">", "5", "g/dL", "x10^3/uL", "10", "^", "/", "%", "H", "L", "*", "(", ")", "[", "]", "☐", "☑", "[x]", "\n", "|", ":", ",", ".",
         "Negative", "1:160", "1:", "up to", "Tab.", "Metformin", "500", "mg", "BID", "x", "5 days", "Dr.", "Patient:", "DOB", "01/02/2024", "Sex: M", "Total", "$1.00", "<td>", "<tr>", "**", "±", "²", "½", "١", "é", "\u0300", "İ", "ß"]
    ),
    max_size=40,
)  # fmt: skip


@settings(max_examples=80)
@given(st.one_of(st.text(max_size=300), PIECES.map(" ".join), PIECES.map("".join)))
def test_no_text_raises(text):
    for read in READERS:
        read(text)
    json.dumps(fields.read_fields(text))


@settings(max_examples=50)
@given(PIECES.map(" ".join))
def test_nothing_is_invented(text):
    """Every name, drug and label stands in the text."""
    joined = "".join(text.split())
    for analyte in fields.read_analytes(text):
        assert (
            "".join(analyte.name.split()) in joined.replace("**", "").replace("<td>", "").replace("<tr>", "")
            or "<" in text
        )
    for order in fields.read_drugs(text):
        assert order.frequency is None or "".join(order.frequency.split()) in joined


@pytest.mark.parametrize(
    "piece",
    [
        "1-",
        "1,22,",
        "not ",
        "10^",
        "Hb ",
        "(",
        "<",
        "1:1 ",
        "Tab. A ",
        "500 mg aspirin ",
        "Total 1.00 ",
        "☐ ",
        "<td>",
        "Jan 1 ",
        ", ",
        "a.",
    ],
)
def test_hostile_text_takes_linear_time(piece):
    short, long = (piece * (size // len(piece)) for size in (5_000, 20_000))
    for read in READERS[:6]:
        read(short)
        quick = seconds(read, short + " ")
        assert min(seconds(read, long) for _ in range(2)) < 12 * quick + 1, read.__name__


def seconds(read, text):
    start = time.thread_time()  # the processor's, so that a busy machine changes nothing
    read(text)
    return time.thread_time() - start


def test_a_hundred_thousand_characters():
    for text in ("Glucose 105 mg/dL 70-99 H " * 4_000, "9" * 100_000, " " * 100_000, "(" * 100_000, "\u0300" * 100_000):
        assert seconds(fields.read_analytes, text) < 60


def test_a_number_that_opens_with_zero_and_has_several_commas():
    (row,) = fields.read_analytes("Platelet Count 0,921,200 /uL")
    assert (row.value, row.unit) == (921200, "/uL")


def test_runtime_needs_no_lexicon_package():
    code = "import sys, medocr.fields; print(sorted({'drug_named_entity_recognition', 'ucumvert', 'wordfreq', 'pint', 'torch'} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


@pytest.mark.parametrize(
    ("line", "value", "unit", "low", "high"),
    [
        ("ALAT 44 UI/L < 41", 44, "U/L", None, 41),
        ("Glucose 5.4 mmoI/L 3.9-5.6", 5.4, "mmoI/L", 3.9, 5.6),
        ("Glucose 105 m9/dl 70-99", 105, "m9/dl", 70, 99),
        ("Glucose 105 mg/d1 70-99", 105, "mg/d1", 70, 99),
        ("Glucose 105 7mg/dl 70-99", 105, "7mg/dl", 70, 99),
        ("Leukozyten 5.1 /nl 3.8-10.2", 5.1, "/nL", 3.8, 10.2),
        ("Leukocyty 7,6 tys/µl 3,8 - 10,0", 7.6, "10*3/uL", 3.8, 10),
        ("WBC 7.1 x E9/L 4.0-11.0", 7.1, "10*9/L", 4, 11),
    ],
)
def test_a_unit_that_no_table_knows_does_not_cost_the_row(line, value, unit, low, high):
    (row,) = fields.read_analytes(line)
    assert (row.value, row.unit, row.low, row.high) == (value, unit, low, high)


@pytest.mark.parametrize(
    "text",
    [
        "Transfuse if Hb < 7",
        "Hold until ANC > 1500",
        "Target HbA1c < 7 %",
        "Call if glucose > 400 mg/dL",
        "Goal LDL < 70 mg/dL",
        "Patient ID PT-8827364",
        "Any Town, CA 92126",
        "Springfield, PA 19064",
        "Fax K 555 0199",
        "Patient Name: John Smith MRN: 7890123",
        "Patient Name: John Smith MRN: 78901",
        "Troponin I lab draws at 0 and 3 hours",
        "Second specimen: N/A 12",
        "Sodium\nPotassium\n140\n4.2",
    ],
)
def test_conditions_and_identifiers_are_no_results(text):
    assert fields.read_analytes(text) == []


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("2. THROMBOCYTOPENIA (Platelets 45 K/uL): HIGH BLEEDING RISK.", None),
        ("Potassium 3.0 mmol/L: low potassium diet advised", None),
        ("INR 3.4, high risk of a bleed", None),
        ("Glucose 151 mg/dL High Hexokinase", "H"),
        ("Hb 9.8 g/dL low", "L"),
        ("Sodium 128 mmol/L LOW Potassium 4.1 mmol/L", "L"),
    ],
)
def test_a_sentence_is_no_flag(text, flag):
    assert fields.read_analytes(text)[0].flag == flag


@pytest.mark.parametrize(
    "text",
    [
        "Hb when admitted 9.2 g/dL",
        "Hb 7.2 g/dL, transfuse if < 7",
        "PLT 245000",
        "eGFR If NonAfricn Am 98 mL/min/1.73 >59",
    ],
)
def test_results_beside_conditions_stay(text):
    assert len(fields.read_analytes(text)) == 1


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("Name: Jane Smith\nAge: 52", {"patient": "Jane Smith", "age": "52"}),
        ("PATIENT DISCHARGE SUMMARY\nSt. Jude Regional Medical Center\nPatient Name: John Doe", {"patient": "John Doe", "facility": "St. Jude Regional Medical Center"}),
        ("PATIENT INFORMATION SHEET\nName: Anna Lee", {"patient": "Anna Lee"}),
        ("Attending Oncologist: Dr. Marcus Vance, MD", {"doctor": "Marcus Vance"}),
        ("Consultant Surgeon: Mr. Alan Smith", {"doctor": "Mr. Alan Smith"}),
        ("Resulting lab: Harbor Hospital Lab", {"facility": "Harbor Hospital Lab"}),
        ("Performing laboratory: Northfield Clinical Lab", {"facility": "Northfield Clinical Lab"}),
        ("Patient: Huber, Anna    Geb.: 03.04.1961\nEntnahme: 12.02.2024 07:45", {"patient": "Huber, Anna", "date_of_birth": "03.04.1961", "collected": "12.02.2024"}),
        ("Paciente: Ana Souza\nIdade: 45\nData de nascimento: 01/02/1979", {"patient": "Ana Souza", "age": "45", "date_of_birth": "01/02/1979"}),
    ],
)  # fmt: skip
def test_header_of_other_hospitals(text, header):
    assert fields.read_header(text) == header


@pytest.mark.parametrize(
    ("text", "orders"),
    [
        ("500 mg metformin BID and 5 mg glipizide daily", [("metformin", 500, "mg", "BID"), ("glipizide", 5, "mg", "daily")]),
        ("Started on 40 mg of furosemide IV and 20 mEq KCl PO", [("furosemide", 40, "mg", None), ("KCl", 20, "meq", None)]),
        ("40 mg furosemide, 25 mg spironolactone and 5 mg bisoprolol", [("furosemide", 40, "mg", None), ("spironolactone", 25, "mg", None), ("bisoprolol", 5, "mg", None)]),
        ("Metformin 500 mg glipizide 5 mg daily", [("Metformin", 500, "mg", None), ("glipizide", 5, "mg", "daily")]),
        ("Tab Metformin 500 mg\nTab Glimepiride 2 mg", [("Metformin", 500, "mg", None), ("Glimepiride", 2, "mg", None)]),
        ("Increase Lisinopril from 10mg to 20mg once daily", [("Lisinopril", 20, "mg", "once daily")]),
        ("Bisoprolol increased from 2.5 mg to 5 mg daily", [("Bisoprolol", 5, "mg", "daily")]),
        ("Co-amoxiclav 500/125 tablets 1 TDS 7/7", [("Co-amoxiclav", "500/125", None, "TDS")]),
        ("Co-codamol 30/500 2 tablets QDS PRN", [("Co-codamol", "30/500", None, "QDS PRN")]),
        ("KCl 20 mEq PO daily", [("KCl", 20, "meq", "daily")]),
        ("Symbicort 200/6 2 puffs BD", [("Symbicort", "200/6", None, "BD")]),
        ("Seretide 250/25 2 puffs BD", [("Seretide", "250/25", None, "BD")]),
    ],
)  # fmt: skip
def test_doses_before_the_drug_changed_and_compound(text, orders):
    assert [(order.drug, order.dose, order.unit, order.frequency) for order in fields.read_drugs(text)] == orders


@pytest.mark.parametrize(
    ("text", "subtotal", "tax", "total"),
    [
        ("Apotheke am Bahnhof\nVerband 3.20\nTotal CHF 1'152.20", None, None, 1152.2),
        ("Sanitätshaus Keller GmbH\nRechnungsnummer: RE-2024-118\nRollator 1.129,00 €\nZwischensumme 1.129,00 €\nMwSt 19 % 214,51 €\nGesamtbetrag 1.343,51 €", 1129, 214.51, 1343.51),
        ("Shree Medicals\nSub Total 185.91\nCGST 6% 11.15\nSGST 6% 11.15\nNet Amount Rs. 208.00", 185.91, 22.3, 208),
        ("Pharmacie du Parc\nFacture n° 2024-17\nTotal HT 1 234,50 €\nTVA 20 % 246,90 €\nTotal TTC 1 481,40 €", 1234.5, 246.9, 1481.4),
        ("Farmacia Sol\nFactura: F-2231\nBase imponible 10,00 €\nIVA 21 % 2,10 €\nTotal a pagar 12,10 €", 10, 2.1, 12.1),
        ("Farmacia Verdi\nImponibile 100,00\nIVA 22% 22,00\nTotale da pagare 122,00", 100, 22, 122),
    ],
)  # fmt: skip
def test_receipts_of_other_countries(text, subtotal, tax, total):
    receipt = fields.read_receipt(text)
    assert (receipt.subtotal, receipt.tax, receipt.total) == (subtotal, tax, total)


@pytest.mark.parametrize(
    ("printed", "number"),
    [("Rechnungsnummer: RE-2024-118", "RE-2024-118"), ("Facture n° 2024-17", "2024-17"), ("Factura: F-2231", "F-2231"), ("Beleg-Nr. 4711", "4711"), ("Bon-Nr. 48210", "48210"), ("Scontrino n. 55-12", "55-12"), ("Store #1123\nNo. 77", "77")],
)  # fmt: skip
def test_receipt_number(printed, number):
    assert fields.read_receipt(f"Shop\n{printed}\nTotal 9,00 €").number == number


@pytest.mark.parametrize(
    ("line", "value", "low", "high"),
    [
        ("Leucócitos: 6.540 /mm³ 4.000 - 11.000", 6540, 4000, 11000),
        ("Thrombozyten 245.000 /µl 150.000-400.000", 245000, 150000, 400000),
        ("Plaquettes 231 000 /mm3 150 000 - 400 000", 231000, 150000, 400000),
        ("Leucocytes 6 540 /mm3 4 000 - 10 000", 6540, 4000, 10000),
        ("ANC 1500 /uL 1.500-8.000", 1500, 1500, 8000),
        ("Plaquettes 421 000 /mm3 (150 000-400 000)", 421000, 150000, 400000),
        ("VES 1a ora  38  mm/h  < 20", 38, None, 20),
        ("WBC 5.400 10*3/uL 4.000-11.000", 5.4, 4, 11),
        ("TSH 1.234 mIU/L 0.400-4.000", 1.234, 0.4, 4),
        ("Hemoglobina: 13,4 g/dL 12,0 a 16,0", 13.4, 12, 16),
        ("Creatinine Level\nNormal range: 0.50 - 0.90 mg/dL\n0.77", 0.77, 0.5, 0.9),
    ],
)  # fmt: skip
def test_numbers_of_other_countries(line, value, low, high):
    assert [(row.value, row.low, row.high) for row in fields.read_analytes(line)] == [(value, low, high)]


@pytest.mark.parametrize(
    "table",
    [
        "Test,Result,Unit,Reference low,Reference high,Flag\nSodium,131,mmol/L,135,145,L\nIron,45,ug/dL,38,169,",
        "Sodium\nStandard range: 135 - 145 mmol/L\nYour value: 131 mmol/L (Low)\n\nIron 45 ug/dL 38-169",
        "<table><tr><td>Sodium<br>ISE</td><td>131 ▼ (L)</td><td>mmol/L</td><td>135 - 145</td></tr>"
        "<tr><td>Iron<br><small>FerroZine</small></td><td>45</td><td>ug/dL</td><td>38 - 169</td></tr></table>",
        "| Sodium<br>ISE | 131 L | mmol/L | 135-145 |\n| Iron<br>FerroZine | 45 | ug/dL | 38-169 |",
        "Sodium 01   131   Low   mmol/L   135-145\nIron 02   45   ug/dL   38-169",
        "Sodium ..... 131 mmol/L ......... (135 - 145) L\nIron ....... 45 ug/dL .... (38 - 169)",
        "Test: Sodium\nResult: 131 mmol/L\nReference: 135-145\nFlag: L\nTest: Iron\nResult: 45 ug/dL\nReference: 38-169",
        "Patient: Rex   Species: canine\nSodium 131 mmol/L 135-145 L\nIron 45 ug/dL 38-169",
        "Sodium   131   mmol/L   (135 - 145)   B\nIron   45   ug/dL   (38 - 169)",
    ],
)
def test_a_row_in_every_dress(table):
    read = [(row.name, row.value, row.unit, row.low, row.high, row.flag) for row in fields.read_analytes(table)]
    assert read == [("Sodium", 131, "mmol/L", 135, 145, "L"), ("Iron", 45, "ug/dL", 38, 169, None)]


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("Patienten-Nr.: 660417", "mrn", "660417"),
        ("N° dossier : 25-004471", "mrn", "25-004471"),
        ("Codice paziente: A44", "mrn", "A44"),
        ("Nom : DUPONT   Prénom : Marie", "patient", "Marie DUPONT"),
        ("Cognome: Bianchi  Nome: Luca", "patient", "Luca Bianchi"),
        ("geb. 03.04.1955   männlich", "sex", "männlich"),
    ],
)
def test_headers_of_other_countries(line, name, value):
    assert fields.read_header(line)[name] == value


@pytest.mark.parametrize(
    ("text", "patient"),
    [
        ("Patient: Rex\nOwner first name: Ann", "Rex"),
        ("Owner first name: Ann\nPatient: Rex", "Rex"),
        ("Patient: Luca\nPhysician first name: Ann", "Luca"),
        ("Patient: Maja\nMother's given name: Eva", "Maja"),
        ("Patient: Rex\nOwner last name: Smith", "Rex"),
        ("Patient first name: Ann\nPatient last name: Lee", "Ann Lee"),
        ("Demographics First name: Ann Last name: Lee", "Ann Lee"),
    ],
)
def test_another_persons_first_name_is_none_of_the_patients(text, patient):
    assert fields.read_header(text)["patient"] == patient


def test_a_table_with_a_column_in_each_cell():
    table = "<table><tr><td>WBC<br>RBC<br>Hb</td><td>5.1<br>4.2<br>13.0</td></tr></table>"
    assert [(row.name, row.value) for row in fields.read_analytes(table)] == [("WBC", 5.1), ("RBC", 4.2), ("Hb", 13)]


@pytest.mark.parametrize("printed", ["[G/l]", "G/L", "G/L,", "(Gpt/l)", "10^9/l"])
def test_a_unit_of_capitals_in_brackets(printed):
    assert [row.unit for row in fields.read_analytes(f"WBC 10,2 {printed} 4,0-10,0")] == ["10*9/L"]


def test_a_flag_of_one_letter_before_a_value_is_none_of_the_name():
    rows = fields.read_analytes("TEST FLAG RESULT REF.\nKetones A 2+ NEGATIVE\nGlucose A TRACE NEGATIVE")
    assert [(row.name, row.value, row.flag) for row in rows] == [("Ketones", "2+", "A"), ("Glucose", "TRACE", "A")]


@pytest.mark.parametrize(("value", "flag"), [("131", "L"), ("140", None), ("150", None)])
def test_a_b_behind_a_range_is_a_flag_of_a_low_value_alone(value, flag):
    assert [row.flag for row in fields.read_analytes(f"Sodium {value} mmol/L (135-145) B")] == [flag]


def test_a_count_in_a_range_before_its_reference_from_none_on():
    (row,) = fields.read_analytes("Urine WBC 2-5 0-5 /uL")
    assert (row.value, row.unit, row.low, row.high) == ("2-5", "/uL", 0, 5)
    assert fields.read_analytes("Platelets 150-400 140-420 /uL") == []  # of men and women


def test_an_arrow_leads_from_the_earlier_result():
    assert [(row.value, row.previous) for row in fields.read_analytes("Hb 128 → 92 g/L.")] == [(92, 128)]


def test_the_date_over_a_column_of_earlier_results():
    (row,) = fields.read_analytes(
        "Test   Result   Reference   Previous 14/02/2024\nSodium   131 mmol/L   135-145   138"
    )
    assert (row.value, row.previous, row.previous_date) == (131, 138, "14/02/2024")


@pytest.mark.parametrize("slots", ["1  0  1  0", "1 | 0 | 1 | 0 |", "1-0-1-0"])
def test_four_times_of_day_in_a_table(slots):
    (order,) = fields.read_drugs(f"Metoprolol   47,5 mg   Tabl   {slots}   Stück")
    assert directions.times_a_day(order.frequency) == 2


@pytest.mark.parametrize(
    ("line", "routes"),
    [
        ("Suspender metformina se TFG < 30 mL/min ou creatinina acima de 1,5 mg/dL.", []),
        ("Prendre ibuprofène 200 mg ou 400 mg par voie orale", [None]),
        ("Timolol 0.5 % ou bid", ["ou"]),
        ("Ciprofloxacin 1 drop ou qid", ["ou"]),
        ("Ciprofloxacin 0.3 mg OU qid", ["OU"]),
    ],
)
def test_or_in_other_languages_is_not_both_eyes(line, routes):
    assert [order.route for order in fields.read_drugs(line)] == routes


@pytest.mark.parametrize("text", ["<p>{}</p><p>{}</p>", "<div><p>{}</p></div><div><p>{}</p></div>", "{}<br>{}"])
def test_paragraphs_that_follow_each_other_are_lines_of_one_order(text):
    (order,) = fields.read_drugs(text.format("Warfarin 3 mg tablet", "Take 1 tablet by mouth once daily"))
    assert (order.route, order.frequency, order.amount) == ("by mouth", "once daily", "1 tablet")


@pytest.mark.parametrize("beside", ["HBsAg 0,05", "WBC 11,800 /uL\nHb 13,2 g/dl\nCRP 2,1 mg/l"])
def test_thousands_beside_decimal_commas(beside):
    assert {row.value for row in fields.read_analytes(f"WBC 11,800 /uL\n{beside}") if row.name == "WBC"} == {11800}


@pytest.mark.parametrize(
    "mark", ["Hemoglobin ▼ 10.9 g/dL 12.0-15.5", "Hemoglobin 10.9 g/dL 12.0-15.5 <-- LOW", "Hemoglobin: 10.9 g/dL (Reference: 12.0-15.5)  # Low", "Hemoglobin 10.9 g/dL 12.0-15.5 [LOW]"]
)  # fmt: skip
def test_flags_in_every_dress(mark):
    assert [(row.name, row.value, row.flag) for row in fields.read_analytes(mark)] == [("Hemoglobin", 10.9, "L")]


def test_a_form_is_no_drug():
    orders = fields.read_drugs("Morphine sulfate 10mg/5ml oral solution 5ml 3 hrly when required")
    assert [(order.drug, order.form) for order in orders] == [("Morphine sulfate", "solution")]


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("GLUCOSE, GESTATIONAL SCREEN (50G) 151 H <135 mg/dL", "GLUCOSE, GESTATIONAL SCREEN (50G)", 151),
        ("Glucose (75 g) 140 mg/dL", "Glucose (75 g)", 140),
        ("Eritrocitos (x10^12/L) 4.35 4.5 a 5.9", "Eritrocitos", 4.35),
        ("Colour Lemon Yellow Pale Yellow", "Colour", "Lemon Yellow"),
        ("Kreatinin 0,9", "Kreatinin", 0.9),
        ("Glicemia 92", "Glicemia", 92),
        ("Hématocrite 41", "Hématocrite", 41),
        ("Colesterolo 210", "Colesterolo", 210),
    ],
)
def test_names_of_other_countries(line, name, value):
    assert [(row.name, row.value) for row in fields.read_analytes(line)] == [(name, value)]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("Haemoglobin\nTotal Leucocyte Count\nNeutrophils\n14.6\n5200\n51", []),
        ("Sodium\nPotassium\n140\n4.1", []),
        ("Sodium\n140\nPotassium\n4.1", [("Sodium", 140), ("Potassium", 4.1)]),
    ],
)
def test_names_and_values_in_two_blocks_are_not_guessed(text, rows):
    assert [(row.name, row.value) for row in fields.read_analytes(text)] == rows


@pytest.mark.parametrize(
    "text",
    [
        "| Condition | Yes | No |\n|---|---|---|\n| Asthma | X |  |\n| Diabetes |  | X |",
        "Condition | Yes | No\nAsthma | x | \nDiabetes | | x",
        "<table><tr><th>Condition</th><th>Yes</th><th>No</th></tr><tr><td>Asthma</td><td>X</td><td></td></tr><tr><td>Diabetes</td><td></td><td>X</td></tr></table>",
    ],
)
def test_yes_no_table_marked_with_crosses(text):
    ticked = [(option.question, option.label) for option in fields.read_options(text) if option.ticked]
    assert ticked == [("Asthma", "Yes"), ("Diabetes", "No")]


DATED = ("01/12/2024", "03/15/2024", "06/20/2024")


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("Test {} {} {} Units Range\nGlucose 105 98 112 mg/dL 70 - 99", ["105", "98", "112"]),
        ("Test Units Reference {} {} {}\nGlucose mg/dL 70 - 99 105 98 112", ["105", "98", "112"]),
        ("|Test|{}|{}|{}|Units|\n|Glucose|105|98|112|mg/dL|", ["105", "98", "112"]),
        ("Test {} {} {}\nCHEMISTRY\nGlucose 105 - 98 H mg/dL 70-99", ["105", None, "98H"]),
        ("Test {} 08:00 {} 08:10 {} 07:55\nGlucose <20 98 112 * mg/dL", ["<20", "98", "112A"]),
        ("Collected Received Reported\n{} {} {}\nPage 1\nGlucose 105 98 112 mg/dL", None),  # a header's three days
        ("Test {} {} {}\nGlucose 98 - 105 mg/dL 70 - 99", ["98", None, "105"]),
    ],
)
def test_results_under_several_dates_are_a_row_each(table, expected):
    rows = fields.read_analytes(table.format(*DATED))
    if expected is None:
        assert [row.date for row in rows] == [None] * len(rows)
        return
    told = {row.date: f"{row.value:g}{row.flag or ''}" if isinstance(row.value, float) else row.value for row in rows}
    assert told == {date: value for date, value in zip(DATED, expected, strict=True) if value}
    assert {(row.name, row.unit, row.line) for row in rows} == {("Glucose", "mg/dL", table.count("\n"))}


def test_of_a_row_with_an_empty_cell_nobody_knows_the_dates():
    text = "Test {} {} {}\nCreatinine 0.85 1.20 H mg/dL 0.60 - 1.10".format(*DATED)
    first, second = fields.read_analytes(text)
    assert (first.value, first.flag, second.value, second.flag) == (0.85, None, 1.2, "H")
    assert first.date == second.date == "? 01/12/2024, 03/15/2024, 06/20/2024"


@pytest.mark.parametrize(
    ("text", "routes"),
    [
        ("Amlodipine 5 mg OD\nIV Ceftriaxone 1 g OD", [None, "IV"]),
        ("1. PO Tab Metformin 500 mg BD\n2. IM inj Vitamin K 10 mg stat", ["PO", "IM"]),
        ("tab Carvedilol 12.5 mg mane\nSL tab Nitroglycerin 0.3 mg PRN", [None, "SL"]),
        ("Aspirin 75 mg OD, IV ceftriaxone 1 g BD and oral metronidazole 400 mg TDS", [None, "IV", "oral"]),
        ("40 mg IV furosemide and 4 mg IV ondansetron stat", ["IV", "IV"]),
        ("Aspirin 75 mg PO Metformin 500 mg IV", ["PO", "IV"]),
        ("Vancomycin 1 g IV\nMetformin 500 mg BD", ["IV", None]),
    ],
)
def test_a_route_before_a_drug_is_its_own_and_not_that_of_the_order_before(text, routes):
    assert [order.route for order in fields.read_drugs(text)] == routes


@pytest.mark.parametrize("between", ["\n", " "])
def test_a_dose_before_its_drug_is_not_replaced_by_that_of_an_unknown_one_behind_it(between):
    orders = fields.read_drugs(f"30 mg Duloxetine 1 cap OD 30 days{between}875/125mg Xyzzyol 1 tab BD 7 days")
    assert [(order.drug, order.dose, order.unit) for order in orders] == [("Duloxetine", 30.0, "mg")]


def test_a_table_read_cell_by_cell_with_the_number_of_each_row():
    rows = fields.read_analytes("1\nSodium\n140\n2\nPotassium\n4.2\n3\nChloride\n101")
    assert [(row.name, row.value) for row in rows] == [("Sodium", 140.0), ("Potassium", 4.2), ("Chloride", 101.0)]


@pytest.mark.parametrize("band", ["High 160-189", ">190 critical"])
def test_a_band_of_an_interpretation_flags_nothing(band):
    (row,) = fields.read_analytes(f"LDL 100 mg/dL 0-129 {band}")
    assert (row.high, row.flag) == (129.0, None)


def test_a_frequency_stands_before_a_changed_dose_too():
    (order,) = fields.read_drugs("Metformin BD was increased to 1000 mg")
    assert (order.dose, order.frequency) == (1000.0, "BD")
