//! The markers of thoughts and tool calls in text, and what the beginning of a reply may become.

/// Begin and end of a thought. Sources: the chat templates of `DeepSeek` R1 and Qwen3 (`think`), Claude-style prompts
/// (`thinking`), Magistral (`[THINK]`), Seed-OSS, Kimi-VL.
const THOUGHTS: [(&str, &str); 7] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("◁think▷", "◁/think▷"),
];

/// What precedes the JSON of a call. Sources: the chat templates of Hermes and Qwen (`<tool_call>`), Mistral
/// (`[TOOL_CALLS]`), Llama 3 (`<|python_tag|>`), Granite and Phi-4 (`<|tool_call|>`), Nemotron (`<TOOLCALL>`), Jamba.
const CALLS: [&str; 8] = [
    "<tool_call>",
    "<tool_calls>",
    "<function_call>",
    "<functioncall>",
    "<toolcall>",
    "<|tool_call|>",
    "<|python_tag|>",
    "[TOOL_CALLS]",
];

/// What follows the JSON of a call: the ends of [`CALLS`], and ends of a turn that a server did not remove.
const ENDS: [&str; 10] = [
    "</tool_call>",
    "</tool_calls>",
    "</function_call>",
    "</functioncall>",
    "</toolcall>",
    "<|/tool_call|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "</s>",
];

/// The beginning of a call as XML (Qwen3-Coder) or JSON (Llama 3), up to the tool's name.
pub(super) const FUNCTION: &str = "<function=";

/// The keys that the object of a call may begin with.
const FIRST_KEYS: [&str; 7] = ["name", "arguments", "parameters", "function", "type", "tool_name", "tool_calls"];

/// Maximum length of a beginning that is not certain yet, in bytes: white space may stand between its parts.
const MAX_BEGINNING_BYTES: usize = 256;

/// What the beginning of a reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning<'t> {
    /// The beginning of a thought, what follows it, and the marker that ends it.
    Thought { rest: &'t str, end: &'static str },
    /// The beginning of what may be a call.
    Call,
    /// More text is needed.
    Undecided,
    /// Neither.
    Text,
}

/// Classifies the beginning of a reply. `text` begins with no white space and is not empty.
pub(super) fn classify(text: &str) -> Beginning<'_> {
    for (begin, end) in THOUGHTS {
        if let Some(rest) = strip(text, begin) {
            return Beginning::Thought { rest, end };
        }
    }
    let mut calls = CALLS.iter().chain([&FUNCTION]);
    let object = begins_object(text);
    if object == Beginning::Call || calls.clone().any(|marker| strip(text, marker).is_some()) {
        return Beginning::Call;
    }
    let is_part = |marker: &str| strip(marker, text).is_some();
    let undecided = object == Beginning::Undecided
        || THOUGHTS.iter().any(|(begin, _)| is_part(begin))
        || calls.any(|marker| is_part(marker));
    if undecided && text.len() <= MAX_BEGINNING_BYTES { Beginning::Undecided } else { Beginning::Text }
}

/// Whether the text begins like the object of a call, or an array of them, up to the first key.
fn begins_object(text: &str) -> Beginning<'_> {
    let unless_empty = |rest: &str| if rest.is_empty() { Beginning::Undecided } else { Beginning::Text };
    let in_array = text.strip_prefix('[').unwrap_or(text).trim_start();
    let Some(in_object) = in_array.strip_prefix('{').map(str::trim_start) else { return unless_empty(in_array) };
    let Some(key) = in_object.strip_prefix('"') else { return unless_empty(in_object) };
    match key.split_once('"') {
        Some((key, _)) if FIRST_KEYS.contains(&key) => Beginning::Call,
        None if FIRST_KEYS.iter().any(|known| known.starts_with(key)) => Beginning::Undecided,
        Some(_) | None => Beginning::Text,
    }
}

/// Returns what follows a marker around calls at the beginning of `text`.
pub(super) fn strip_call_marker(text: &str) -> Option<&str> {
    CALLS.iter().chain(&ENDS).find_map(|marker| strip(text, marker))
}

/// Returns what follows `prefix`, which is compared without case.
pub(super) fn strip<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The markers that end thoughts.
pub(super) fn thought_ends() -> impl Iterator<Item = &'static str> {
    THOUGHTS.iter().map(|(_, end)| *end)
}

/// Finds the end of a thought in text that is received in pieces.
#[derive(Clone, Debug, Default)]
pub(super) struct EndFinder {
    /// The only marker to find; `None` for any of them.
    end: Option<&'static str>,
    /// The end of the text so far, in which a marker may have begun.
    tail: String,
}

impl EndFinder {
    /// Creates a finder of one marker.
    pub fn of(end: &'static str) -> Self {
        Self { end: Some(end), tail: String::new() }
    }

    /// Returns the position in `text` behind the first marker, which may have begun in earlier pieces.
    pub fn find(&mut self, text: &str) -> Option<usize> {
        const LONGEST: usize = "</seed:think>".len();
        let (kept, head) = (self.tail.len(), &text[..text.floor_char_boundary(LONGEST)]);
        self.tail.push_str(head);
        let found = self.first_in(&self.tail).and_then(|behind| behind.checked_sub(kept));
        let found = found.or_else(|| self.first_in(text));
        if head.len() < text.len() {
            self.tail.clear();
            self.tail.push_str(&text[text.floor_char_boundary(text.len() - LONGEST)..]);
        }
        let surplus = self.tail.floor_char_boundary(self.tail.len().saturating_sub(LONGEST));
        self.tail.drain(..surplus);
        found
    }

    fn first_in(&self, text: &str) -> Option<usize> {
        // All markers begin with one of these characters.
        text.match_indices(['<', '[', '◁']).find_map(|(at, _)| {
            let mut ends = thought_ends().filter(|end| self.end.is_none_or(|only| only == *end));
            let rest = ends.find_map(|end| strip(&text[at..], end))?;
            Some(text.len() - rest.len())
        })
    }
}
