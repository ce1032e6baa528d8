//! Recognizes calls that a model only repeats: a user's text or a task's title can be the text of a call.

use domain::llm::LlmMessage;
use domain::text::NormalizedText;

use super::calls::TextCall;
use super::markers::thought_ends;

/// What users and tools have written in a history, reduced so that the forms of one text are equal: without white space,
/// quotes, backslashes, case, and escapes of JSON and HTML.
pub(super) struct WrittenText {
    text: String,
    /// Whether a marker that ends thoughts stands in the text.
    pub has_thought_end: bool,
}

impl WrittenText {
    pub fn of(messages: &[LlmMessage]) -> Self {
        let texts = messages.iter().filter_map(|message| match message {
            LlmMessage::User { text } => Some(reduce(text)),
            LlmMessage::ToolResult { content, .. } => Some(reduce(&content.to_string())),
            LlmMessage::Assistant { .. } => None,
        });
        // A control character keeps texts apart.
        let text = texts.collect::<Vec<_>>().join("\0");
        let has_thought_end = thought_ends().any(|end| text.contains(&end.to_lowercase()));
        Self { text, has_thought_end }
    }

    /// Whether a call of the same tool stands in the text, with any arguments.
    pub fn contains_call(&self, call: &TextCall) -> bool {
        let tool = reduce(&call.tool);
        // Before or behind the name, every form of a call has one of these.
        let before = ["name:", "function:", "<function="].map(|form| format!("{form}{tool}"));
        let behind = ["{", "["].map(|form| format!("{tool}{form}"));
        before.iter().chain(&behind).any(|form| self.text.contains(form))
    }
}

fn reduce(text: &str) -> String {
    let text = NormalizedText::new(&unescape(text));
    text.as_str().chars().filter(|c| !c.is_whitespace() && !is_quote(*c)).collect()
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | '\u{2018}'..='\u{201F}')
}

/// Resolves escapes, also those of a JSON text within another one.
fn unescape(text: &str) -> String {
    let text = text.replace("&quot;", "\"").replace("&#34;", "\"").replace("&lt;", "<").replace("&gt;", ">");
    let mut unescaped = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, escape)) = rest.split_once('\\') {
        unescaped.push_str(before);
        let code = escape.strip_prefix('u').and_then(|code| code.get(..4));
        let decoded = code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32);
        let skipped = if let Some(decoded) = decoded {
            unescaped.push(decoded);
            "u0000".len()
        } else {
            usize::from(escape.starts_with(['n', 'r', 't', 'b', 'f']))
        };
        rest = &escape[skipped..];
    }
    unescaped + rest
}
