//! Whether an assistant's words ask whether something should be deleted.
//!
//! Deliberately not here: what. The server knows the tasks that are on offer.

use std::sync::LazyLock;

use super::super::grounding::without_quotations;
use super::super::words::{Phrase, Span, Token, tokens};
use crate::text::Folded;

const CLASSES: &[(&str, &str)] = &[
    ("delete", "delete|remove|erase|clear|drop|trash|discard|wipe|get-rid-of|throw-away|throw-out|empty|purge|cancel"),
    (
        "deleting",
        "deleting|removing|erasing|clearing|dropping|discarding|wiping|getting-rid-of|deletion|removal|emptying|purging",
    ),
    ("deleted", "deleted|removed|erased|cleared|dropped|trashed|discarded|wiped|gone|emptied|purged"),
];

/// How it is asked in English, by a question.
const ASKED: &[&str] = &[
    "shall|should|may|can|could|must|do|would i|we {really|now|just|also|then|permanently|go-ahead-and|proceed-to|go|ahead|and} <delete>",
    "want|like|wish|prefer|need|allow|ask|asking|telling|instructing [for] me|us {really|also} to {really|now|just|also|permanently|go-ahead-and|proceed-to} <delete>",
    "want|like|wish|sure|okay|ok|fine|ready|mean|right|confirm|intend|alright [that|for-me] [you|we|i] [want|wish|would-like|d-like] to {really|now|also|permanently|completely} <delete>",
    "if|that|whether [that] i|we {should|can|may|will|would} {really|now|also|permanently|go-ahead-and} <delete>",
    "go|proceed|continue ahead|and|with|by ... <deleting>|<delete>",
    "proceed|continue|okay|ok|confirm|about|mind|sure|mean [with|about|by|the] {the|their|its|these|of} <deleting>",
    "want|like|wish|have|need|prefer|shall|should|see them|it|these|those|both|all|□|this|that|everything|task|tasks|ones ... <deleted>",
    "shall|should|may|can|must|to ... be <deleted>",
    "^ {so|ok|okay|and|then|sure|really|permanently|just|also} <delete>",
    "i|we|you|me to <delete>",
    "you want me|us to [also] <delete>",
];

/// What is no question of yes or no, or one about something else.
const OTHERWISE: &str = "which|what|who|whom|when|where|why|how|whose|or|instead|not|t|add|create|never|did-you-already|already|welche|welchen|welches|was|wann|warum|wie|oder|welke|wat|waarom|hoe|quelle|quelles|quel|quels|lequel|laquelle|lesquelles|pourquoi|comment|ou|cuál|cuáles|qué|cómo|por-qué|qual|quais|por-que|como|quale|quali|perché|come|cosa|какую|какой|какие|почему|как|или|która|które|co|jak|hangi|neden|kaunsa|kaunsi|konsa|konsi|kyun|kaise|ya|कौन|कौनसा|कौनसी|क्यों|कैसे|या|کون|کیوں|یا|哪个|哪個|哪些|哪一个|什么|为什么|怎么|还是|還是|どれ|どの|なぜ|どう|어떤|무엇|왜";
/// Alternatives that leave the question what it is.
const OR_NOT: &[&str] = &[
    "or not|no|keep|leave|cancel",
    "or {should|shall|would-you|do-you} {i|we|rather|like|want|prefer} {me|to|just} keep|leave|cancel",
    "oder nicht",
    "ou non|pas",
    "o no",
    "или нет",
    "都",
];

/// Deletion in the other languages, where a question with such a word in it is enough.
const ELSEWHERE: &str = "lösch|lösche|löschen|gelöscht|entferne|entfernen|verwijder|verwijderen|verwijdert|wissen|supprime|supprimer|supprimez|supprimiez|supprimés|supprimées|effacer|efface|borrar|borre|borra|elimine|eliminar|elimino|borro|quitar|quite|apagar|apague|excluir|exclua|remova|remover|exclui|apago|eliminare|elimini|elimino|cancellare|cancelli|cancello|rimuovere|rimuova|rimuovo|usunąć|usunięcie|silinsin|sileyim|silmemi|silmek|удалить|удаляю|удалила|удаление|удалил|стереть|hata-doon|hata-dun|hata-dein|hata-den|hata-du|mita-doon|mita-dun|delete-kar|delete-karun|delete-karoon|delete-karna|delete-kardoon|delete-kr|हटा|हटाना|मिटा|डिलीट|حذف|ہٹا|مٹا|أحذف|تحذف|删除|删掉|刪除|刪掉|移除|清空|削除|消し|消去|삭제|지울까요|지우";

/// "Are you sure?" and its likes, which ask about what was said before.
const SURE: &[&str] = &[
    "are|you you|re [absolutely|really|quite] sure|certain",
    "^ {so|ok|okay|all|right|do|would|shall|should|may|can|you|i|we|want|me|like|to|please} proceed|continue|confirm|go-ahead|sure [with|this|that|it|the|me|to|now|please|action|deletion|changes|proceed] $",
    "is|s that|this|it okay|ok|alright|right|correct|fine|all-right [with-you|for-you] $",
    "^ ok|okay|correct|right|alright $",
    "please|to|must|can|could confirm",
    "sicher|fortfahren|einverstanden|bestätigen|sûr|sûre|confirmer|confirmez|seguro|segura|confirmas|confirma|certeza|confirmar|sicuro|sicura|conferma|confermi|procedere|weet-je-het-zeker|doorgaan|уверен|уверены|продолжить|подтверждаете|confirm|pakka|confirm-karen|确认|确定|確認|確定|よろしい|本当|정말",
];

/// What announces a deletion that has not happened yet.
const ANNOUNCED: &[&str] = &[
    "will|would|ll|going-to|about-to|ready-to|to|can|want|wants|asked-to|want-to {now|also|permanently|then|be} <delete>|<deleted>",
    "be <deleted>",
    "<deleting>",
];

/// "Please confirm", "say yes": a request that is a question without its mark.
const REQUESTED: &[&str] = &[
    "please|kindly confirm|approve",
    "confirm that|if|whether|the|deletion|deleting|you|i",
    "let me know if|whether",
    "say|reply|answer|type|respond|tell-me [with|me] yes|confirm|if|whether|□",
    "i need your|you confirmation|confirm|permission|approval|to",
    "bitte bestätige|bestätigen|bestätig",
    "veuillez|merci-de confirmer",
    "por-favor confirma|confirme|confirmame",
    "per-favore|per-piacere conferma|confermi",
    "请|請 确认|確認",
    "подтвердите|подтверди",
];

struct Phrases {
    asked: Vec<Phrase>,
    otherwise: Phrase,
    or_not: Vec<Phrase>,
    elsewhere: Phrase,
    sure: Vec<Phrase>,
    announced: Vec<Phrase>,
    requested: Vec<Phrase>,
    any_form: Phrase,
}

/// Whether `assistant_text` asks whether to delete something, so that a yes is consent: "Shall I delete these 3
/// tasks?", "Please confirm that I should delete both.", "This will delete all of them. Are you sure?". Not "Which one
/// should I delete?", and not a choice between a deletion and something else. Quotations are data.
pub(crate) fn asks_to_delete(assistant_text: &str) -> bool {
    static PHRASES: LazyLock<Phrases> = LazyLock::new(|| {
        let all = |writings: &[&str]| Phrase::read_all(writings, CLASSES, fold);
        let one = |writing: &str| Phrase::read(writing, CLASSES, fold);
        Phrases {
            asked: all(ASKED),
            otherwise: one(OTHERWISE),
            or_not: all(OR_NOT),
            elsewhere: one(ELSEWHERE),
            sure: all(SURE),
            announced: all(ANNOUNCED),
            requested: all(REQUESTED),
            any_form: one("<delete>|<deleting>|<deleted>"),
        }
    });
    let mut announced = false;
    let mut asks_if_sure = false;
    for (words, asks) in sentences(&without_quotations(assistant_text)) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let span = Span { words: &words, is_said: true };
        let any = |phrases: &[Phrase]| phrases.iter().any(|phrase| phrase.find(span).is_some());
        let is_otherwise = PHRASES.otherwise.find(span).is_some() && !any(&PHRASES.or_not);
        let asks_plainly = asks && (any(&PHRASES.asked) || PHRASES.elsewhere.find(span).is_some());
        let deletes = PHRASES.any_form.find(span).is_some() || PHRASES.elsewhere.find(span).is_some();
        let requests = !asks && any(&PHRASES.requested) && deletes;
        if !is_otherwise && (asks_plainly || requests) {
            return true;
        }
        asks_if_sure |= asks && any(&PHRASES.sure) || any(&PHRASES.requested);
        announced |= !asks && !is_otherwise && (any(&PHRASES.announced) || PHRASES.elsewhere.find(span).is_some());
    }
    announced && asks_if_sure
}

// An assistant leaves no accents out, and they tell "qué" from "que".
fn fold(text: &str) -> String {
    Folded::new(text).as_str().to_owned()
}

/// The words of each sentence, and whether it is a question. A line ends a sentence.
fn sentences(text: &str) -> Vec<(Vec<String>, bool)> {
    let is_asking = |words: &[String]| words.last().is_some_and(|word| ["吗", "嗎", "か"].contains(&word.as_str()));
    let mut found = Vec::new();
    let mut open: Vec<String> = Vec::new();
    for token in tokens(text).into_iter().chain([Token::Mark('\n')]) {
        match token {
            Token::Word(word) => open.push(word),
            Token::Mark(mark @ ('.' | '!' | '?' | '؟' | '。' | '।' | '۔' | '\n')) if !open.is_empty() => {
                let asks = matches!(mark, '?' | '؟') || is_asking(&open);
                found.push((std::mem::take(&mut open), asks));
            }
            Token::Mark(_) => {}
        }
    }
    found
}
