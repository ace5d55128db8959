package auth

import (
	_ "embed" // common.txt
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"lares/nvr"
)

// Bounds of a password in characters, and in bytes.
const (
	minPassword      = 12
	maxPassword      = 256
	maxPasswordBytes = maxPassword * utf8.UTFMax
	// minRest is how much of a password must be left without the parts that
	// anybody would guess.
	minRest     = 6
	minDistinct = 5
	minRun      = 4
	// minDigits is how long a password of digits and signs alone must be.
	minDigits = 20
)

// commonWords lists words and phrases that people take for a password, in lower
// case letters, sorted, one a line. Their spellings with digits and signs are
// found by folding.
//
//go:embed common.txt
var commonWords string

// CheckPassword returns nvr.ErrInvalid with what is wrong with a new password,
// in words for the person who chose it. There are no rules of composition (NIST
// SP 800-63B section 3.1.1.2): only length, and what is commonly guessed.
func CheckPassword(password, name string) error {
	lower := strings.ToLower(password)
	switch n := utf8.RuneCountInString(password); {
	case !utf8.ValidString(password):
		return badPassword("has characters that cannot be read")
	case n < minPassword:
		return badPassword(fmt.Sprintf("has %d characters; take at least %d. Four or five words are easy to remember", n, minPassword))
	case n > maxPassword:
		return badPassword(fmt.Sprintf("is longer than %d characters", maxPassword))
	case distinct(lower) < minDistinct || period(lower) < minRest:
		return badPassword("repeats the same few characters")
	case rest(lower, runs(lower)) < minRest:
		return badPassword("is a row of keys or of numbers")
	case holdsName(lower, name):
		return badPassword("is little more than a name")
	case letters(lower) == "" && utf8.RuneCountInString(lower) < minDigits:
		return badPassword("is a number, such as of a telephone or a day; add some words")
	case common(lower):
		return badPassword("is one that many people use and that is guessed first; join four or five words instead")
	}
	return nil
}

func badPassword(why string) error {
	return fmt.Errorf("%w: the password %s", nvr.ErrInvalid, why)
}

func distinct(s string) int {
	seen := make(map[rune]struct{})
	for _, r := range s {
		seen[r] = struct{}{}
	}
	return len(seen)
}

// period returns the length of the part that the text repeats, its whole
// length if it does not.
func period(s string) int {
	for p := 1; p <= len(s)/2; p++ {
		if len(s)%p == 0 && strings.Repeat(s[:p], len(s)/p) == s {
			return p
		}
	}
	return len(s)
}

// rows lists what fingers and children run along.
func rows() []string {
	return []string{
		"12345678901234567890", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "qwertzuiop", "azertyuiop",
		"asdfghjkl", "qsdfghjklm", "zxcvbnm", "yxcvbnm", "wxcvbn",
		"1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0", "1qaz2wsx3edc4rfv5tgb6yhn7ujm", "qazwsxedcrfvtgbyhnujm",
		"qayxswedcvfrtgb", "!@#$%^&*()", "!\"§$%&/()=",
	}
}

// runs marks the bytes that belong to a run of at least minRun along a row,
// forwards or backwards.
func runs(s string) []bool {
	marked := make([]bool, len(s))
	for _, row := range rows() {
		for _, line := range []string{row, reverse(row)} {
			for i := range len(s) - minRun + 1 {
				n := minRun
				for i+n <= len(s) && strings.Contains(line, s[i:i+n]) {
					n++
				}
				for j := i; n > minRun && j < i+n-1; j++ {
					marked[j] = true
				}
			}
		}
	}
	return marked
}

func reverse(s string) string {
	r := []rune(s)
	for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
		r[i], r[j] = r[j], r[i]
	}
	return string(r)
}

// rest counts the characters that are not marked.
func rest(s string, marked []bool) int {
	n := 0
	for i := range s {
		if !marked[i] {
			n++
		}
	}
	return n
}

// holdsName reports whether too little is left without the person's name and
// that of the product.
func holdsName(lower, name string) bool {
	left := lower
	for _, word := range append(strings.Fields(strings.ToLower(name)), "lares") {
		if utf8.RuneCountInString(word) >= 3 {
			left = strings.ReplaceAll(left, word, "")
		}
	}
	return left != lower && utf8.RuneCountInString(left) < minRest
}

// common reports whether the password is a listed word with digits and signs
// around or inside it, such as 'p4ssw0rd!2024', that word repeated, or two such
// words that only digits and signs make long enough.
func common(lower string) bool {
	inner := strings.TrimFunc(lower, func(r rune) bool { return !unicode.IsLetter(r) })
	for _, word := range []string{letters(lower), letters(unleet(inner)), letters(unleet(lower))} {
		if word = word[:period(word)]; word != "" && listed(word) {
			return true
		}
		for i := 3; len(word) < minPassword && i <= len(word)-3; i++ {
			if listed(word[:i]) && listed(word[i:]) {
				return true
			}
		}
	}
	return false
}

func listed(word string) bool {
	return strings.HasPrefix(commonWords, word+"\n") || strings.Contains(commonWords, "\n"+word+"\n")
}

func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return r
		}
		return -1
	}, s)
}

// unleet undoes the usual replacement of letters by digits and signs.
func unleet(s string) string {
	return strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "8", "b",
		"@", "a", "$", "s", "!", "i", "€", "e").Replace(s)
}
