"""Reading what people hand over: essays from folders and tables, strict CSV. Nothing here is stored or judged."""
