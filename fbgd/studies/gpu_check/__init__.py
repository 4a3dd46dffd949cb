"""What a GPU does with this code: the CPU's numbers, the same bits after a resume, so many images a second."""
