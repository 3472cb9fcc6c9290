"""Never returns, and starts nobody."""

import time

time.sleep(600)
