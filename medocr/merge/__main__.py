"""`python -m medocr.merge MODEL PAGES RESULT DEVICE`: what the parity gate runs in a fresh process."""

import sys

from medocr.merge.parity import main

try:
    main(sys.argv[1:])
except ValueError as error:
    sys.exit(str(error).replace("\n", " "))
