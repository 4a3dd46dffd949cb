"""A table as a user has it."""

TABLE = "age,colour,weight,kind\n" + "".join(
    f"{20 + index % 7},{['red', 'blue'][index % 2]},{0.5 * index},{['a', 'b', 'c'][index % 3]}\n" for index in range(30)
)
