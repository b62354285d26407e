package database

// chunkSizes are how many rows a statement writes: few texts, so that each is prepared once.
var chunkSizes = [...]int{64, 8, 1}

// InChunks has rows written in order, 64, 8 or one in a statement. It ends with the first error.
func InChunks[T any](rows []T, write func(chunk []T) error) error {
	for _, size := range chunkSizes {
		for len(rows) >= size {
			if err := write(rows[:size]); err != nil {
				return err
			}
			rows = rows[size:]
		}
	}
	return nil
}
