"""The relationships of a store in memory, both ways: plain, native, at a past revision, with facts laid over."""
