//! The syntax of CIF 1.1 and mmCIF: data blocks of tags with values, and loops of tags with rows of values.

use std::collections::HashMap;

use super::super::text::{excerpt, Fault};

/// A value and the line it begins on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Value {
    pub(super) line: usize,
    pub(super) text: String,
    /// Quoted values are text even where they look like `?`.
    quoted: bool,
}

impl Value {
    /// `None` where the file says that it is not known (`?`) or does not apply (`.`).
    pub(super) fn known(&self) -> Option<&str> {
        (self.quoted || !matches!(self.text.as_str(), "?" | ".")).then_some(self.text.as_str())
    }
}

/// One data block: the columns of its loops; a single item is a column of one value.
#[derive(Debug, Default)]
pub(super) struct Block {
    columns: HashMap<String, Vec<Value>>,
}

impl Block {
    /// Values of the first of the `tags` that the block has; tags are in lower case with `_` between their parts.
    pub(super) fn column(&self, tags: &[&str]) -> Option<&[Value]> {
        tags.iter().find_map(|tag| self.columns.get(*tag)).map(Vec::as_slice)
    }

    /// The single or first value of a tag, where it is known.
    pub(super) fn item(&self, tags: &[&str]) -> Option<&Value> {
        self.column(tags)?.first().filter(|value| value.known().is_some())
    }
}

#[derive(Debug)]
enum Token {
    Block,
    Loop,
    Tag(String),
    Value(Value),
}

/// Reads the blocks; the error carries the line.
pub(super) fn blocks(text: &str) -> std::result::Result<Vec<Block>, (usize, String)> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut tokens = tokens(text)?.into_iter().peekable();
    while let Some((line, token)) = tokens.next() {
        if matches!(token, Token::Block) {
            blocks.push(Block::default());
            continue;
        }
        let block = blocks.last_mut().ok_or((line, "it does not begin with a data block (`data_`)".to_owned()))?;
        match token {
            Token::Tag(tag) => match tokens.next() {
                Some((_, Token::Value(value))) => drop(block.columns.insert(tag, vec![value])),
                _ => return Err((line, format!("`{}` has no value", excerpt(&tag)))),
            },
            Token::Loop => {
                let mut tags = Vec::new();
                while let Some((_, Token::Tag(tag))) = tokens.next_if(|(_, t)| matches!(t, Token::Tag(_))) {
                    tags.push(tag);
                }
                let mut values = Vec::new();
                while let Some((_, Token::Value(value))) = tokens.next_if(|(_, t)| matches!(t, Token::Value(_))) {
                    values.push(value);
                }
                block.take_loop(tags, values).map_err(|why| (line, why))?;
            }
            Token::Value(value) => return Err((line, format!("`{}` belongs to no tag", excerpt(&value.text)))),
            Token::Block => {}
        }
    }
    Ok(blocks)
}

impl Block {
    fn take_loop(&mut self, tags: Vec<String>, values: Vec<Value>) -> Fault<()> {
        if tags.is_empty() || !values.len().is_multiple_of(tags.len()) {
            let (n, tags) = (values.len(), tags.len());
            return Err(format!("a loop of {tags} tags has {n} values, wanted a multiple"));
        }
        let mut columns = vec![Vec::with_capacity(values.len() / tags.len()); tags.len()];
        for (i, value) in values.into_iter().enumerate() {
            columns[i % tags.len()].push(value);
        }
        self.columns.extend(tags.into_iter().zip(columns));
        Ok(())
    }
}

fn tokens(text: &str) -> std::result::Result<Vec<(usize, Token)>, (usize, String)> {
    let mut tokens = Vec::new();
    let mut lines = text.lines().enumerate().map(|(i, line)| (i + 1, line));
    while let Some((number, line)) = lines.next() {
        if let Some(first) = line.strip_prefix(';') {
            let mut parts = vec![first];
            loop {
                match lines.next() {
                    None => return Err((number, "the text that begins with `;` has no end".into())),
                    Some((_, line)) if line.starts_with(';') => break,
                    Some((_, line)) => parts.push(line),
                }
            }
            tokens.push((number, Token::Value(Value { line: number, text: parts.join("\n"), quoted: true })));
            continue;
        }
        let mut rest = line.trim_start();
        while !rest.is_empty() && !rest.starts_with('#') {
            let (token, after) = token(number, rest).map_err(|why| (number, why))?;
            tokens.push((number, token));
            rest = after.trim_start();
        }
    }
    Ok(tokens)
}

/// The first token of `rest`, which begins with it, and what follows.
fn token(line: usize, rest: &str) -> Fault<(Token, &str)> {
    if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '\'' | '"')) {
        // a quote ends the value only where a blank follows
        let body = &rest[1..];
        let end = body
            .char_indices()
            .find(|(i, c)| *c == quote && body[i + 1..].chars().next().is_none_or(char::is_whitespace));
        let Some((end, _)) = end else { return Err(format!("`{}` has no closing quote", excerpt(rest))) };
        let value = Value { line, text: body[..end].to_owned(), quoted: true };
        return Ok((Token::Value(value), &body[end + 1..]));
    }
    let (word, after) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
    let begins = |prefix: &str| word.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let token = if word.starts_with('_') {
        // mmCIF writes `_atom_site.fract_x`
        Token::Tag(word.to_lowercase().replace('.', "_"))
    } else if begins("data_") {
        Token::Block
    } else if word.eq_ignore_ascii_case("loop_") {
        Token::Loop
    } else if ["save_", "global_", "stop_"].into_iter().any(begins) {
        return Err(format!("`{}` has no place in a file of data", excerpt(word)));
    } else {
        Token::Value(Value { line, text: word.to_owned(), quoted: false })
    };
    Ok((token, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_texts_comments_and_loops() {
        let text = "# head\ndata_a\n_Cell.length_a 3.0(1) # note\n_b 'it''s a quote' _c \"?\"\n_d\n;first\nsecond\n;\n\
                    loop_\n_e _f\n1 2\n'a b' .\n data_b\n_e 7\n";
        let blocks = blocks(text).unwrap();
        let text = |tag: &str| blocks[0].column(&[tag]).unwrap()[0].text.clone();
        assert_eq!((text("_cell_length_a").as_str(), text("_b").as_str()), ("3.0(1)", "it''s a quote"));
        assert_eq!(blocks[0].item(&["_c"]).unwrap().known(), Some("?"));
        assert_eq!(text("_d"), "first\nsecond");
        let f = blocks[0].column(&["_none", "_f"]).unwrap();
        assert_eq!((f[0].text.as_str(), f[1].known(), f[1].line), ("2", None, 12));
        assert_eq!(blocks[1].item(&["_e"]).unwrap().text, "7");
    }

    #[test]
    fn broken_syntax_is_found() {
        let line = |text: &str| super::blocks(text).unwrap_err().0;
        assert_eq!(line("_a 1\n"), 1);
        assert_eq!(line("data_a\n\n_a\n_b 1\n"), 3);
        assert_eq!(line("data_a\n_a 'open\n"), 2);
        assert_eq!(line("data_a\n_a\n;open\nto the end\n"), 3);
        assert_eq!(line("data_a\nloop_\n_a _b\n1 2 3\n"), 2);
        assert_eq!(line("data_a\nloop_\n1 2 3\n"), 2);
        assert_eq!(line("data_a\n1\n"), 2);
        assert_eq!(line("data_a\nsave_b\n"), 2);
    }
}
