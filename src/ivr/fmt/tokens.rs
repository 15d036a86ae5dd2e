//! Reads TOML as its layout sees it: tables, keys, values and what stands between them. The text is known to be TOML.

/// A table: what stands before its header, the header, its keys, and what stands behind the last of these in the file.
#[derive(Debug, Default)]
pub(super) struct Section {
    pub leading: Vec<Line>,
    pub header: Option<String>,
    pub comment: Option<String>,
    pub entries: Vec<Entry>,
    pub trailing: Vec<Line>,
}

/// A key with its value, laid out.
#[derive(Debug)]
pub(super) struct Entry {
    pub leading: Vec<Line>,
    /// The first part of the key, without quotes.
    pub key: String,
    /// `key = value`.
    pub text: String,
    pub comment: Option<String>,
}

/// A line without a value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Line {
    Blank,
    Comment(String),
}

/// Deeper lists and tables are not laid out.
const DEPTH: usize = 64;

/// All tables of `text` in order, the first without a header. `None` when something is not understood.
pub(super) fn read(text: &str) -> Option<Vec<Section>> {
    let mut cursor = Cursor { rest: text.strip_prefix('\u{FEFF}').unwrap_or(text) };
    let mut sections = vec![Section::default()];
    loop {
        let leading = cursor.between();
        if cursor.rest.is_empty() {
            sections.last_mut()?.trailing = leading;
            return Some(sections);
        }
        if cursor.rest.starts_with('[') {
            let header = cursor.header()?;
            let comment = cursor.rest_of_line()?;
            sections.push(Section { leading, header: Some(header), comment, ..Section::default() });
            continue;
        }
        let (key, name) = cursor.key()?;
        cursor.expect('=')?;
        let value = cursor.value(0)?;
        let comment = cursor.rest_of_line()?;
        sections.last_mut()?.entries.push(Entry { leading, key: name, text: format!("{key} = {value}"), comment });
    }
}

struct Cursor<'t> {
    rest: &'t str,
}

/// One item of a list or of a table in braces.
struct Item {
    before: Vec<String>,
    text: String,
    comment: Option<String>,
}

impl<'t> Cursor<'t> {
    fn take(&mut self, bytes: usize) -> Option<&'t str> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
    }

    fn spaces(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn expect(&mut self, sign: char) -> Option<()> {
        self.spaces();
        self.rest = self.rest.strip_prefix(sign)?;
        Some(())
    }

    fn line_end(&mut self) -> bool {
        match self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix('\n')) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn comment(&mut self) -> Option<String> {
        if !self.rest.starts_with('#') {
            return None;
        }
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        self.take(end).map(|comment| comment.trim_end().to_owned())
    }

    /// Empty lines and comments up to the next thing.
    fn between(&mut self) -> Vec<Line> {
        let mut lines = Vec::new();
        loop {
            self.spaces();
            if let Some(comment) = self.comment() {
                lines.push(Line::Comment(comment));
                self.line_end();
            } else if self.line_end() {
                lines.push(Line::Blank);
            } else {
                return lines;
            }
        }
    }

    /// Line ends and comments within an item; these go before it.
    fn gap(&mut self, comments: &mut Vec<String>) {
        loop {
            self.spaces();
            match self.comment() {
                Some(comment) => comments.push(comment),
                None if self.line_end() => {}
                None => return,
            }
        }
    }

    /// The comment behind a value, and the line's end.
    fn rest_of_line(&mut self) -> Option<Option<String>> {
        self.spaces();
        let comment = self.comment();
        (self.line_end() || self.rest.is_empty()).then_some(comment)
    }

    fn header(&mut self) -> Option<String> {
        let (open, close) = if self.rest.starts_with("[[") { ("[[", "]]") } else { ("[", "]") };
        self.take(open.len())?;
        let (key, _) = self.key()?;
        self.spaces();
        self.rest = self.rest.strip_prefix(close)?;
        Some(format!("{open}{key}{close}"))
    }

    /// A key with its points, and its first part without quotes.
    fn key(&mut self) -> Option<(String, String)> {
        let (mut key, mut name) = (String::new(), None);
        loop {
            self.spaces();
            let part = match self.rest.chars().next()? {
                '"' | '\'' => self.string()?,
                _ => {
                    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                    let end = self.rest.find(|c| !is_bare(c)).unwrap_or(self.rest.len());
                    self.take(end)?
                }
            };
            if part.is_empty() {
                return None;
            }
            name.get_or_insert_with(|| part.trim_matches(['"', '\'']).to_owned());
            key.push_str(part);
            self.spaces();
            match self.rest.strip_prefix('.') {
                Some(rest) => self.rest = rest,
                None => return Some((key, name?)),
            }
            key.push('.');
        }
    }

    /// A text with its quotes, as it stands.
    fn string(&mut self) -> Option<&'t str> {
        let quote = self.rest.chars().next()?;
        let triple: String = std::iter::repeat_n(quote, 3).collect();
        let is_long = self.rest.starts_with(&triple);
        let mut at = if is_long { 3 } else { 1 };
        loop {
            let rest = self.rest.get(at..)?;
            let sign = rest.chars().next()?;
            if sign == '\\' && quote == '"' {
                at += 1 + rest.chars().nth(1)?.len_utf8();
            } else if is_long && rest.starts_with(&triple) {
                // Up to two quotes may stand right before the end.
                let quotes = rest.chars().take_while(|c| *c == quote).count();
                return self.take(at + quotes.min(5));
            } else if !is_long && sign == quote {
                return self.take(at + 1);
            } else {
                at += sign.len_utf8();
            }
        }
    }

    fn value(&mut self, depth: usize) -> Option<String> {
        if depth > DEPTH {
            return None;
        }
        self.spaces();
        match self.rest.chars().next()? {
            '"' | '\'' => self.string().map(str::to_owned),
            '[' => self.list(depth, '[', ']'),
            '{' => self.list(depth, '{', '}'),
            _ => {
                let end = self.rest.find([',', ']', '}', '#', '\n']).unwrap_or(self.rest.len());
                let value = self.take(end)?.trim();
                (!value.is_empty()).then(|| value.to_owned())
            }
        }
    }

    /// A list, or a table in braces.
    fn list(&mut self, depth: usize, open: char, close: char) -> Option<String> {
        self.take(1)?;
        let mut items: Vec<Item> = Vec::new();
        let mut before = Vec::new();
        let mut over_lines = false;
        let mut may_follow = true;
        loop {
            self.spaces();
            if let Some(comment) = self.comment() {
                over_lines = true;
                // Behind an item it belongs to it, on a line of its own to what follows.
                match items.last_mut().filter(|item| item.comment.is_none() && before.is_empty() && !may_follow) {
                    Some(item) => item.comment = Some(comment),
                    None => before.push(comment),
                }
            } else if self.line_end() {
                over_lines = true;
                may_follow = true;
            } else if let Some(rest) = self.rest.strip_prefix(',') {
                self.rest = rest;
            } else if let Some(rest) = self.rest.strip_prefix(close) {
                self.rest = rest;
                break;
            } else {
                let text = if open == '{' {
                    let (key, _) = self.key()?;
                    self.gap(&mut before);
                    self.expect('=')?;
                    self.gap(&mut before);
                    format!("{key} = {}", self.value(depth + 1)?)
                } else {
                    self.value(depth + 1)?
                };
                items.push(Item { before: std::mem::take(&mut before), text, comment: None });
                may_follow = false;
            }
        }
        let over_lines = over_lines || items.iter().any(|item| !item.before.is_empty());
        if !over_lines {
            let texts: Vec<&str> = items.iter().map(|item| item.text.as_str()).collect();
            return Some(match (open, texts.is_empty()) {
                (_, true) => format!("{open}{close}"),
                ('{', false) => format!("{{ {} }}", texts.join(", ")),
                (_, false) => format!("[{}]", texts.join(", ")),
            });
        }
        let inner = " ".repeat(4 * (depth + 1));
        let mut out = format!("{open}\n");
        for item in &items {
            for comment in &item.before {
                out.push_str(&format!("{inner}{comment}\n"));
            }
            super::statement(&mut out, &format!("{inner}{},", item.text), item.comment.as_deref());
        }
        for comment in &before {
            out.push_str(&format!("{inner}{comment}\n"));
        }
        out.push_str(&" ".repeat(4 * depth));
        out.push(close);
        Some(out)
    }
}
