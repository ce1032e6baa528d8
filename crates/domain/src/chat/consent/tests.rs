//! What is a plain yes and what is none; what asks to delete and what does not. Explicit words are in `permission.rs`.

use super::{asks_to_delete, is_affirmative};

mod permission;

const YES: &[&str] = &[
    "yes",
    "y",
    "Yes.",
    "YES!!!",
    "yes please",
    "Yes, please!",
    "yeah",
    "yep!",
    "yup",
    "ok",
    "OK, thanks",
    "okay do it",
    "sure, go ahead",
    "Sure thing",
    "confirm",
    "confirmed",
    "I confirm",
    "please do",
    "do it",
    "Do it now!",
    "go ahead and delete them",
    "yes, delete them",
    "yes delete both",
    "Yes, all of them.",
    "yes, both",
    "please delete them",
    "delete it",
    "delete them all",
    "yes, remove these tasks",
    "correct",
    "that's right",
    "that’s correct, go ahead",
    "absolutely",
    "of course",
    "sounds good",
    "proceed",
    "yes yes yes",
    "yes, I'm sure",
    "👍",
    "👍🏽👍🏽",
    "✅",
    "yes 🙂",
    "ok 👌",
    "  yes\n",
    "Ｙｅｓ",
    "ye\u{200B}s",
    // German, Dutch
    "ja",
    "Ja, bitte!",
    "ja, lösch sie",
    "klar, mach das",
    "Ja, beide löschen",
    "genau",
    "Ja hoor, doe maar",
    "ja, verwijder ze",
    // French, Spanish, Portuguese, Italian
    "oui",
    "Oui, s'il te plaît",
    "d’accord, vas-y",
    "oui, supprime-les",
    "sí",
    "si por favor",
    "Sí, elimínalas todas",
    "claro, adelante",
    "sim",
    "sim, pode apagar",
    "sì, grazie",
    "va bene, procedi",
    // Hindi and Urdu
    "haan",
    "haan ji, kar do",
    "ji haan delete kar do",
    "theek hai",
    "हाँ, हटा दो",
    "جی ہاں",
    // Polish, Turkish, Russian, Arabic, Chinese, Japanese, Korean
    "tak, proszę",
    "evet",
    "да",
    "Да, удали их",
    "نعم",
    "是的",
    "好的，删除吧",
    "可以",
    "はい",
    "はい、お願いします",
    "はい、削除してください",
    "네",
];

const NOT_YES: &[&str] = &[
    "",
    "no",
    "No thanks",
    "nope",
    "👎",
    "yes 👎",
    "❌",
    "🙂",
    "yes?",
    "ok?",
    "really?",
    "yes but not the first",
    "yes, but keep milk",
    "yes and add milk",
    "yes, delete the first",
    "yes delete 2",
    "yes, only milk",
    "yes, except the last one",
    "yes, complete them",
    "ok cancel",
    "ok, never mind",
    "not yes",
    "yes no",
    "no, do it later",
    "don't",
    "please don't delete them",
    "do not do it",
    "yes, if they are done",
    "I said yes yesterday",
    "maybe",
    "wait",
    "stop",
    "the first",
    "both",
    "all of them",
    "them",
    "thanks",
    "please",
    "right now",
    "what?",
    "show my list",
    "add yes to my list",
    "yes: add milk",
    "yes, delete everything except milk",
    "delete milk",
    "remove todo",
    "2",
    "undo",
    "nein",
    "ja, aber nicht die erste",
    "oui mais pas la première",
    "non",
    "no, gracias",
    "sí, pero no la primera",
    "não",
    "nahi",
    "haan lekin pehla nahi",
    "mat karo",
    "нет",
    "да, но не первую",
    "不",
    "不要删除",
    "不是",
    "いいえ",
    "はい、でも最初のは残して",
    "아니요",
];

const ASKS: &[&str] = &[
    "Shall I delete these 3 tasks?",
    "Shall I delete “buy milk” and “buy eggs”?",
    "Should I remove both?",
    "Do you want me to remove both?",
    "Would you like me to delete them?",
    "Would you like me to go ahead and delete all of them?",
    "Are you sure you want to delete everything?",
    "Please confirm that I should delete both tasks.",
    "Please confirm the deletion of these tasks.",
    "Can you confirm that you want to delete all 3 tasks?",
    "Do you want these tasks deleted?",
    "Should they be removed?",
    "Delete both?",
    "OK to delete these?",
    "You have two:\n\n1. milk\n2. eggs\n\nShall I delete both of them?",
    "You want me to erase the whole list, right?",
    "This will delete 2 tasks. Are you sure?",
    "I am about to remove milk and eggs. Shall I proceed?",
    "The following tasks will be deleted:\n- milk\n- eggs\nDo you want to proceed?",
    "Shall I go ahead with deleting them?",
    "Is it okay if I delete both?",
    "Do you want me to delete both or not?",
    "Say “yes” and I will delete both.",
    "To delete them all, please say yes.",
    "Soll ich beide Aufgaben löschen?",
    "Zal ik beide taken verwijderen?",
    "Voulez-vous que je supprime les deux tâches ?",
    "¿Quieres que elimine las dos tareas?",
    "Quer que eu exclua as duas tarefas?",
    "Vuoi che elimini entrambe le attività?",
    "Удалить обе задачи?",
    "Kya main dono tasks delete kar doon?",
    "要删除这两个任务吗？",
    "両方削除しますか？",
];

const ASKS_NOT: &[&str] = &[
    "",
    "Which one should I delete?",
    "Which tasks do you want me to delete?",
    "What would you like to delete?",
    "Shall I add “delete photos” to your list?",
    "Shall I mark both as done?",
    "Shall I rename “delete photos”?",
    "I deleted both. Anything else?",
    "I have deleted milk. Would you like to add something?",
    "The tasks have been deleted.",
    "I can delete tasks.",
    "I can add, complete and delete tasks. What can I do for you?",
    "I couldn't delete it. Do you see it on your list?",
    "Shall I delete milk or eggs?",
    "Do you want me to delete it or complete it?",
    "Why was it deleted?",
    "Did I already delete it?",
    "1. delete old photos\n\nShall I show more?",
    "How do I delete a task?",
    "Shall I not delete it?",
    "You have 2 tasks. Are you sure?",
    "Welche soll ich löschen?",
    "Ich habe beide gelöscht.",
    "¿Cuál quieres que elimine?",
    "Quelle tâche dois-je supprimer ?",
    "要删除哪个任务？",
    "どれを削除しますか？",
];

/// A yes to an offer of as many tasks as the words may speak of.
fn is_yes(text: &str) -> bool {
    [1, 2, 3].into_iter().any(|offered| is_affirmative(text, offered))
}

#[test]
fn a_yes_that_speaks_of_another_number_is_none() {
    for (text, one, two, three) in [
        ("yes", true, true, true),
        ("ok, do it", true, true, true),
        ("yes, delete them", true, true, true),
        ("yes, delete both", false, true, false),
        ("delete it", true, false, false),
        ("yes, delete the task", true, false, false),
    ] {
        assert_eq!([1, 2, 3].map(|offered| is_affirmative(text, offered)), [one, two, three], "{text}");
    }
}

fn wrong<'t>(table: &[&'t str], judge: fn(&str) -> bool, expected: bool) -> Vec<&'t str> {
    table.iter().copied().filter(|text| judge(text) != expected).collect()
}

#[test]
fn a_plain_yes_is_heard_in_many_words_and_languages() {
    assert_eq!(wrong(YES, is_yes, true), [""; 0]);
}

#[test]
fn what_limits_doubts_or_adds_is_no_plain_yes() {
    assert_eq!(wrong(NOT_YES, is_yes, false), [""; 0]);
}

#[test]
fn a_question_whether_to_delete_is_recognised() {
    assert_eq!(wrong(ASKS, asks_to_delete, true), [""; 0]);
}

#[test]
fn other_questions_and_statements_ask_for_no_consent() {
    assert_eq!(wrong(ASKS_NOT, asks_to_delete, false), [""; 0]);
}
