"""The services. Siblings never import each other; they meet through events."""
