"""The benchmarks of `minibert bench`, a file each."""
