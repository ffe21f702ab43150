//! Questions to the kernel about XDP, and runs of a program on crafted frames.
