//! ray.
