"""Search for people: what was typed is understood also when it is misspelt or spelt in pinyin."""
