"""The peer of train: Spark MLlib's ALS on local[2], in a process of its own.

Arguments: training file, held-out file, output file, rank, iterations, regularization. The output is the held-out rows'
predictions, NaN where Spark has none, as a numpy file; the last line on standard output is JSON of seconds. Run by
the Python of an environment of its own (spark.txt): Spark and Flink need different versions of py4j.
"""

from __future__ import annotations

import json
import sys
import time


def main(training: str, held_out: str, output: str, rank: str, iterations: str, regularization: str) -> None:
    """Train, predict, write."""
    began = time.perf_counter()
    import numpy
    from pyspark.ml.recommendation import ALS
    from pyspark.sql import SparkSession
    from pyspark.sql.types import DoubleType, IntegerType, StructField, StructType

    spark = (SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
             .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
             .config("spark.sql.shuffle.partitions", "2").getOrCreate())  # fmt: skip
    spark.sparkContext.setLogLevel("ERROR")
    started = time.perf_counter()
    schema = StructType([StructField("user", IntegerType()), StructField("item", IntegerType()),
                         StructField("rating", DoubleType())])  # fmt: skip
    als = ALS(rank=int(rank), maxIter=int(iterations), regParam=float(regularization), userCol="user", itemCol="item",
              ratingCol="rating", coldStartStrategy="nan", seed=0, numUserBlocks=2, numItemBlocks=2)  # fmt: skip
    model = als.fit(spark.read.csv(training, schema))
    fitted = time.perf_counter()
    rows = model.transform(spark.read.csv(held_out, schema)).select("user", "item", "rating", "prediction").collect()
    numpy.save(output, numpy.array([tuple(row) for row in rows], numpy.float64))
    spark.stop()
    print(json.dumps({"start_s": started - began, "fit_s": fitted - started}))


if __name__ == "__main__":
    main(*sys.argv[1:])
