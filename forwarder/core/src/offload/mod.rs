//! Checksum completion and segmentation on packet bytes, where no device does it for us.
