"""v1alpha1, compatible with the published API and as permissive."""
