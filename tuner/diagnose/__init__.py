"""Is this environment fit for measuring, and where does the time of a call go?"""
