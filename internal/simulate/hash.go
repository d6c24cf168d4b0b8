package simulate

// mix stirs words into one: splitmix64's finaliser over each, so that neighbouring inputs give
// unrelated outputs. All chance in this package comes from it and a seed, never from a global source.
func mix(words ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, w := range words {
		h += w + 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}

// mixString makes a name a word for mix (FNV-1a).
func mixString(s string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return h
}

// unit makes a hash a number in [0, 1).
func unit(h uint64) float64 { return float64(h>>11) / (1 << 53) }
