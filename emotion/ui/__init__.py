"""The web page: Gradio blocks, their texts in two languages, and their look."""
