"""Pixels as bytes on their way to the device, and what the image processor would have made of them."""

import torch

AS_BYTES = {"do_rescale": False, "do_normalize": False}  # options of the processor that leave pixels as they are


class Normaliser:
    """Rescales and normalises bytes on whatever device they are: exactly the image processor's float32.

    A quarter of the bytes reach the device, and the processor's arithmetic on every pixel becomes a table of what it
    makes of each of the 256 values.
    """

    def __init__(self, image_processor) -> None:
        self.table = _normalised_values(image_processor)

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """(patches, 3, 14, 14), uint8 or whole numbers of that range, to float32."""
        self.table, pixels = self.table.to(pixels.device), pixels.int()
        return torch.stack([values[pixels[:, channel]] for channel, values in enumerate(self.table)], dim=1)


def _normalised_values(image_processor) -> torch.Tensor:
    """(3, 256): what the image processor makes of each pixel value in each channel."""
    ramp = torch.arange(256, dtype=torch.uint8).repeat_interleave(image_processor.patch_size**2)
    image = ramp.view(256, image_processor.patch_size, image_processor.patch_size).permute(1, 0, 2)
    image = image.reshape(1, image_processor.patch_size, -1).expand(3, -1, -1).numpy()
    pixels = image_processor(images=[image], do_resize=False, input_data_format="channels_first", return_tensors="pt")
    return pixels["pixel_values"][:, :, 0, 0].T.contiguous()
