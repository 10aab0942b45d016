"""Is the host proven dead?"""
