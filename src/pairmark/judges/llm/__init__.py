"""Language models as judges: how one is named, what it is sent, how its answer is read, what a call costs."""
