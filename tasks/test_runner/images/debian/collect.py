"""Times a loop of the interpreter and prints all timings in Bencher Metric Format."""
import json
import sys
import time


def collatz(limit):
    """The start below `limit` with the longest Collatz sequence."""
    longest, best = 0, 1
    for start in range(1, limit):
        number, steps = start, 0
        while number != 1:
            number = number // 2 if number % 2 == 0 else 3 * number + 1
            steps += 1
        if steps > longest:
            longest, best = steps, start
    return best


with open(sys.argv[1]) as file:
    milliseconds = json.load(file)

begin = time.perf_counter()
assert collatz(3000) == 2919
milliseconds["python/collatz"] = (time.perf_counter() - begin) * 1e3

print(json.dumps(
    {name: {"latency": {"value": round(value * 1e6)}} for name, value in milliseconds.items()},
    indent=2,
))
