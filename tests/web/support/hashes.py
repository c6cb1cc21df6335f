"""Write hashes.json: what TensorFlow hashes strings and integers to, by every branch of the hashes.

    python hashes.py
"""
import json
import os
import random

import tensorflow as tf

BINS = 2**62
KEY = [12345678901234567890, 7]


def main():
    random.seed(1)
    lengths = list(range(0, 40)) + [47, 48, 49, 62, 63, 64, 65, 66, 100, 127, 128, 129, 190]
    texts = ["".join(random.choice("abcXYZ é漢0") for _ in range(length)) for length in lengths]
    numbers = [random.randint(-(2**63), 2**63 - 1) for _ in texts]
    fast = tf.strings.to_hash_bucket_fast(texts, BINS).numpy()
    strong = tf.strings.to_hash_bucket_strong(texts, BINS, [KEY[0] - 2**64, KEY[1]]).numpy()
    columns = [tf.constant([[text] for text in texts]), tf.constant([[number] for number in numbers], tf.int64)]
    crossed = tf.sparse.to_dense(tf.sparse.cross_hashed(columns, BINS)).numpy()[:, 0]
    rows = [[text, *map(str, row)] for text, *row in zip(texts, numbers, fast, strong, crossed)]
    table = {"bins": str(BINS), "key": list(map(str, KEY)), "rows": rows}
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "hashes.json"), "w", encoding="utf-8") as file:
        json.dump(table, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
