//! Lists of words, written as a person would: `one_of("it that this", word)`.

/// Is the word in the list, whose words are apart by blanks?
pub(crate) fn one_of(list: &str, word: &str) -> bool {
    list.split(' ').any(|known| known == word)
}

/// Is the phrase in the list, whose phrases are apart by commas?
pub(crate) fn one_phrase_of(list: &str, phrase: &str) -> bool {
    list.split(", ").any(|known| known == phrase)
}
