"""What the generated pages of docs/ say, one module for each page. They render text; `generate_reference` writes it."""
