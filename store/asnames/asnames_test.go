package asnames

import (
	"slices"
	"testing"
)

func TestAll(t *testing.T) {
	numbers, names, err := All()
	if err != nil {
		t.Fatal(err)
	}
	if len(numbers) != 91065 || len(names) != len(numbers) {
		t.Errorf("%d numbers, %d names, want 91065", len(numbers), len(names))
	}
	if !slices.IsSorted(numbers) {
		t.Error("the numbers are not in order")
	}
	at, found := slices.BinarySearch(numbers, 3356)
	if !found || names[at] != "Level 3 Communications, Inc." {
		t.Errorf("AS3356 is %q, %v", names[at], found)
	}
}
