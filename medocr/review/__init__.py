"""A person's review of what `digitize` was not sure of: the queue, decisions, and what they make of a document.

    DIR/documents/<id>.json   what was read, page by page, and its fields with status passed or review
    DIR/queue.jsonl           the fields to be reviewed
    DIR/reviews/<id>.jsonl    decisions, one a line, written here and by nobody else; of a field the last one counts,
                              while the field reads as it did then

`page.launch` shows them in a browser, `label_studio` hands them to teams that have Label Studio, and the source
`reviewed` makes training pages of them.
"""

from .columns import corrected_line, parsed, shown
from .decisions import DecidedMeanwhile, Decision, Standing, decide, decisions_on, read_decisions, standing
from .folder import check_document, documents, page_image, queue, read_document
from .outcome import open_fields, page_fields, page_text, reviewed_fields, unclear_lines

__all__ = ["DecidedMeanwhile", "Decision", "Standing", "check_document", "corrected_line", "decide", "decisions_on",
           "documents", "open_fields", "page_fields", "page_image", "page_text", "parsed", "queue", "read_decisions",
           "read_document", "reviewed_fields", "shown", "standing", "unclear_lines"]  # fmt: skip
