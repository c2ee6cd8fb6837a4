"""What pretraining reads: drafts of general text, line by line, and receipts and invoices. Nothing medical."""

import datetime
import itertools
import random
import string
from pathlib import Path

from faker import Faker
from faker.providers.lorem.en_US import Provider as Lorem

from medocr.demo.synthetic import general
from medocr.demo.synthetic.draw import FACES, Draft, Line, Look
from medocr.demo.tiny.architecture import SIGNS

GROUPS = range(200, 1000)  # runs and their held-out pages draw from lower numbers
SIZES = range(16, 24)  # px
UNSEEN = ("times", "times italic")  # families that only held-out pages are printed in
FAMILIES = tuple(family for family in FACES if family not in UNSEEN)
DEBIAN = Path("/usr/share/fonts/truetype")
OTHERS = (  # free fonts of Debian's, for variety: those that are installed
    *("liberation/LiberationSans", "liberation/LiberationSerif", "liberation/LiberationMono"),
    *("liberation/LiberationSansNarrow", "roboto/unhinted/RobotoCondensed", "roboto/unhinted/RobotoTTF/Roboto"),
    *("open-sans/OpenSans", "lato/Lato", "crosextra/Carlito", "crosextra/Caladea", "charis/CharisSIL"),
    *("andika/Andika", "hack/Hack", "noto/NotoSansMono"),
)
INSTALLED = tuple(str(DEBIAN / name) for name in OTHERS if (DEBIAN / f"{name}-Regular.ttf").exists())
OTHER_FONTS = 0.3  # share of pages
LATIN = {*map(chr, range(32, 256)), "€"}  # what every font has
MEDICAL = {"doctor", "drug", "health", "hospital", "medical", "patient", "treatment", "disease", "cancer", "blood"}
WORDS = tuple(word for word in Lorem.word_list if word not in MEDICAL)
DATES = ("%d/%m/%Y", "%Y-%m-%d", "%d.%m.%Y", "%d %b %Y", "%b %d, %Y", "%H:%M", "%m/%d/%y", "%d-%b-%Y")
LAST_DAY = datetime.datetime(2026, 1, 1)  # Faker's own is today: a seed would give other pages tomorrow
PRINTABLE = string.ascii_letters + string.digits + string.punctuation


def receipt_or_invoice(rng: random.Random) -> Draft:
    """A receipt or an invoice of a group that no run uses."""
    return rng.choice((general.receipt, general.invoice))(rng, rng.choice(GROUPS))


def family(rng: random.Random) -> str:
    """A font family: one that runs print in, or for a share of the pages another."""
    return rng.choice(INSTALLED if INSTALLED and rng.random() < OTHER_FONTS else FAMILIES)


class Text:
    """Draws drafts of general text: `Text(seed).draft(rng, lines, family)`."""

    def __init__(self, seed: int) -> None:
        self.fake = Faker("en_US")
        self.fake.seed_instance(seed)
        self.kinds = {
            self.letters: 3,
            self.word: 4,
            self.number: 4,
            self.money: 1,
            self.date: 1,
            self.sign: 1,
            self.code: 1,
            self.personal: 1,
        }

    def draft(self, rng: random.Random, lines: int, family: str) -> Draft:
        """`lines` lines in one family and size; about a third of them in two to four columns."""
        size = rng.choice(SIZES)
        widest = rng.randint(5, 600 // size)  # characters, so that narrow pages come about as well
        drawn = (self.line(rng, widest) for _ in itertools.count())
        fitting = (line for line in drawn if family in FAMILIES or LATIN.issuperset(line.text))
        return Draft(list(itertools.islice(fitting, lines)), {}, Look(family, (size,)))

    def line(self, rng: random.Random, widest: int) -> Line:
        columns = rng.choice((1, 1, 1, 1, 2, 2, 3, 4)) if widest > 12 else 1
        room = max(3, (widest - 2 * columns) // columns)
        cells = tuple(self.phrase(rng, rng.randint(2, room)) for _ in range(columns))
        align = "l" if columns == 1 else "l" + "".join(rng.choice("lr") for _ in cells[1:])
        return Line(
            cells,
            rng.choice("lllcr") if columns == 1 else align,
            bold=rng.random() < 0.1,
            rule=rng.choice(("", "", "", "", "", "", "above", "below")),
            shade=rng.random() < 0.04,
        )

    def phrase(self, rng: random.Random, length: int) -> str:
        """Pieces of one or several kinds, joined by spaces, at most `length` characters."""
        kinds, weights = zip(*self.kinds.items(), strict=True)
        phrase = ""
        while len(phrase) < length - 1:
            piece = rng.choices(kinds, weights)[0](rng)
            phrase = f"{phrase} {piece}" if phrase else piece
        return phrase[:length].strip() or rng.choice(string.ascii_letters)

    def letters(self, rng: random.Random) -> str:
        alphabet = rng.choice((PRINTABLE, string.ascii_lowercase, string.ascii_letters, string.ascii_uppercase))
        return "".join(rng.choices(alphabet, k=rng.randint(1, 9)))

    def word(self, rng: random.Random) -> str:
        shape = rng.choice((str.lower, str.lower, str.lower, str.capitalize, str.capitalize, str.upper))
        end = rng.choice(("", "", "", "", "", ":", ",", ".", ";", "?", "!", ")"))
        return ("(" if end == ")" else "") + shape(rng.choice(WORDS)) + end

    def number(self, rng: random.Random) -> str:
        whole = rng.randrange(10 ** rng.randint(1, 5))
        return rng.choice(
            (
                f"{whole}",
                f"{whole / 10:.1f}",
                f"{whole / 100:.2f}",
                f"{whole / 1000:.3f}",
                f"{whole:,}",
                f"{whole}-{whole + rng.randrange(1, 90)}",
                f"{whole / 10:.1f} - {whole / 7:.1f}",
                f"{rng.choice('<>≤≥+-±=~')}{rng.choice(('', ' '))}{whole / 10:.1f}",
                f"{whole}%",
                f"#{whole:05}",
                f"({whole / 100:.2f})",
                f"{whole}/{rng.randrange(1, 100)}",
            )
        )

    def money(self, rng: random.Random) -> str:
        cents = rng.randrange(10 ** rng.randint(2, 6))
        return rng.choice(("$", "£", "€", "USD ", "EUR ", "")) + f"{cents / 100:,.2f}"

    def date(self, rng: random.Random) -> str:
        return self.fake.date_time(end_datetime=LAST_DAY).strftime(rng.choice(DATES))

    def sign(self, rng: random.Random) -> str:
        return rng.choice(SIGNS) + rng.choice(("", rng.choice(WORDS), str(rng.randrange(100)), rng.choice(SIGNS)))

    def code(self, rng: random.Random) -> str:
        blocks = ("".join(rng.choices(string.ascii_uppercase + string.digits, k=rng.randint(2, 6))) for _ in range(2))
        return rng.choice("-/._:").join(blocks)

    def personal(self, rng: random.Random) -> str:
        fake = self.fake
        kinds = (fake.name, fake.street_address, fake.city, fake.postcode, fake.phone_number, fake.company, fake.email)
        return rng.choice(kinds)()
