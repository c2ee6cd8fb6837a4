"""Write data/drugs.txt from the drug names of the package drug-named-entity-recognition.

Run by hand where `drug-named-entity-recognition` and `wordfreq` are installed (neither is needed to use
medocr): `python -m tests.bench.make_lexicon`. The package's list holds 107,360 variants, among them everyday
words, chemical names, trial codes and Latin or Spanish inflections; this keeps names that a prescription may
hold: drugs with a patient leaflet or an encyclopedia article, their synonyms and brands, and the
international nonproprietary names, less what is commoner as an English word than as a drug.
"""

import bz2
import importlib.util
import pickle
import re
from pathlib import Path

from wordfreq import zipf_frequency

HERE = Path(__file__).parents[2] / "medocr/fields/data"
DESCRIBED = {"medline_plus_id", "nhs_url", "wikipedia_url"}
# Stems that the WHO gives to nonproprietary names: a DrugBank name with one is a drug, not a reagent.
STEMS = (
    "afil|amivir|ane|anserin|apine|artan|astine|axel|azepam|azine|azole|azolam|bactam|barbital|caine|cef|cillin|"
    "citabine|"
    "conazole|coxib|cromil|cycline|dipine|dronate|entan|fenac|fibrate|floxacin|gatran|gliflozin|gliptin|glitazone|"
    "glutide|ilol|imus|iptan|ivir|mab|micin|mycin|nab|nib|nidazole|olol|olone|onide|oprazole|oxacin|oxetine|"
    "parib|pamil|parin|"
    "peridol|prazole|pril|profen|prost|relin|ridone|rubicin|sartan|semide|setron|sone|statin|tadine|terol|thiazide|"
    "tidine|tinib|triptan|tyline|vastatin|vir|vudine|xaban|zolid|zosin"
)
INFLECTED = re.compile(r"(um|ina|ino|inum|olo|anum|ato|ide de|idum|inium|atum|ona|ano|ene)$")
KEPT_BRANDS = {
    "tylenol", "xanax", "viagra", "advil", "valium", "cialis", "prozac", "ambien", "adderall", "benadryl",
    "allegra", "zoloft", "ritalin", "accutane", "oxycontin", "epipen", "ativan", "wellbutrin", "lexapro",
    "klonopin", "vicks", "suboxone", "lipitor", "narcan", "motrin", "lyrica", "seroquel", "paxil", "nexium",
    "panadol", "lasix", "effexor", "coumadin", "actos", "humira", "claritin", "aleve", "vyvanse", "tamiflu",
    "risperdal", "neosporin", "dilaudid", "botox", "afrin", "rogaine", "exelon", "clomid", "gardasil",
    "provera", "mirena",
}  # fmt: skip
EVERYDAY = {
    "armour", "kendrick", "camila", "modus", "theon", "generics", "colgate", "hemel", "arvin", "capex", "cinna",
    "olean", "sunkist", "luminal", "dagan", "almora", "bicol", "estrogen", "cocaine", "opium",
    "anticholinergic", "psychedelic", "paraben", "glutamate", "serum", "plasma", "blood", "water", "salt",
    "sugar", "starch", "alcohol", "tetris", "hepes", "dnase", "opsins", "placebo", "vaccine", "toxin",
    "albumin", "ferritin", "transferrin", "fibrinogen", "hemoglobin", "protein",
}  # fmt: skip


def clean(word: str, canonical: bool, described: bool) -> bool:
    """Whether a single word is worth keeping as a drug name."""
    if (
        not re.fullmatch(r"[a-z]{4,22}", word)
        or word in EVERYDAY
        or (word.endswith("s") and canonical is False and described is False)
    ):
        return False
    if canonical and described:
        return True
    common = zipf_frequency(word, "en")
    if described:
        return (common < 2.0 and not INFLECTED.search(word)) or word in KEPT_BRANDS
    return canonical and common < 1.8 and bool(re.search(rf"({STEMS})$", word))


def main() -> None:
    """Read the package's dictionary without importing the package (it opens network caches) and write the names."""
    package = Path(importlib.util.find_spec("drug_named_entity_recognition").origin).parent
    with bz2.open(package / "drug_ner_dictionary.pkl.bz2") as file:
        data = pickle.load(file)
    facts = data["drug_canonical_to_data"]
    names = set()
    for variant, canonicals in data["drug_variant_to_canonical"].items():
        described = any(DESCRIBED & set(facts.get(c, ())) for c in canonicals)
        canonical = variant in facts
        if clean(variant, canonical, described) or (
            canonical and described and re.fullmatch(r"[a-z]{3,}( [a-z]{3,}){1,2}", variant)
        ):
            names.add(variant)
    lines = sorted(names)
    (HERE / "drugs.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(len(lines), "names")


if __name__ == "__main__":
    main()
