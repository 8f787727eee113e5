"""The drill: both stores are backed up under load at different moments, restored in each combination, and mended."""
