"""A search space file without a mistake."""

GOOD = """\
name: mine
backend: cpu
knobs:
  threads:
    why: how many
    apply: process
    default: unset
    values: [1, 2]
  spin:
    why: whether to wait
    apply: environment
    default: unset
    values:
      - value: "on"
        set: {SPIN: "1"}
presets:
  few:
    why: small models
    configuration: {threads: 1}
rules:
  - when: {threads: 1}
    require: {spin: unset}
    why: nobody waits
"""
