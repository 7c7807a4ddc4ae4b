"""The systems, each assembled from layers."""
