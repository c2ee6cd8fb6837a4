"""medocr: fine-tune PaddleOCR-VL to read medical documents, and measure what that changed."""

__version__ = "0.1.0"
