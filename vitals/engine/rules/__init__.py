"""The alarm rules of the engine, one module for each alarm condition.

Each module's docstring describes its rule: condition, delay, start, change, end, priority and source. R1 to R12 are the
requirements of `docs/clinical.md`; the numbers are in `vitals.engine.constants`, each with its reason. The order in
which a reading is evaluated is in `vitals.engine.evaluate_row`, timers are in `vitals.engine.timers`, and people's
commands are in `vitals.engine.commands`.

**Terms** (IEC 60601-1-8). An *alarm condition* is a state of a patient or of equipment: pending, active or ended. An
*alarm* is an alarm condition that was announced by an event. They differ in two cases:

- History, a reading older than `LIVE_MS`, changes conditions without an event, except that it ends alarms. The first
  live reading reports the difference. So a value that is still low after an outage alarms at once, and one that has
  recovered never does.
- A high alarm that was not acknowledged is *latched*: it outlasts its condition.
"""
