//! Whether a message is a plain yes.
//!
//! Deliberately not here: to what. A yes that names what it is said to ("yes, the first") is not plain.

use std::sync::LazyLock;

use super::super::words::{Phrase, Span, Token, tokens};
use super::plain;

/// Signs that say yes, and signs that say no.
const YES_SIGNS: &[char] = &['👍', '👌', '✅', '☑', '✔', '🆗', '💯', '🙆'];
const NO_SIGNS: &[char] = &['👎', '❌', '🚫', '⛔', '🛑', '✋', '❎', '✖', '🙅', '😡', '🤷', '🤔'];

/// What a yes is, each line in the languages of its kind.
const YES: &[&str] = &[
    // English
    "yes|y|yea|yeah|yeahh|yep|yup|yess|yesss|ya|yas|aye|ye|yis|yessir|yes-sir|yes-yes",
    "sure|sure-thing|ok|okay|okey|okey-dokey|k|kk|okie|alright|all-right|fine|of-course|certainly|absolutely|definitely|indeed|affirmative|roger|agreed|granted|approved|totally",
    "correct|right|exactly|precisely|true|that-s-right|that-is-right|that-s-correct|that-is-correct|that-s-it|that-s-fine|that-is-fine|that-works|thats-right|thats-fine|thats-correct",
    "confirm|confirmed|i-confirm|i-do-confirm|i-agree|i-do|i-am|i-am-sure|i-m-sure|im-sure|i-want-that|i-would|i-d-like-that|i-accept|you-may|you-can|you-should|permission-granted",
    "go|go-ahead|go-for-it|do-it|do-that|do-so|please-do|proceed|continue|carry-on|make-it-so|by-all-means|why-not|sounds-good|looks-good|sounds-right|let-s-do-it|let-s-do-that|let-s-go|lets-do-it|get-on-with-it|lgtm",
    // German
    "ja|jo|jap|jep|jawohl|klar|na-klar|gern|gerne|genau|richtig|passt|einverstanden|in-ordnung|bestätige|ich-bestätige|bestätigt|mach|mach-das|mach-es|mach-mal|machen-sie-das|tu-das|tu-es|nur-zu|los|sicher|natürlich|stimmt|ja-doch",
    // Dutch
    "ja-hoor|jazeker|zeker|prima|akkoord|doe-maar|doe-dat|doe-het|ga-je-gang|ga-door|klopt|graag|oke|bevestig|bevestigd",
    // French
    "oui|ouais|ouaip|d'accord|dac|vas-y|allez-y|allez|bien-sûr|c'est-bon|c'est-ça|c'est-correct|exact|exactement|je-confirme|confirmé|fais-le|faites-le|faites|parfaitement|volontiers|entendu|absolument",
    // Spanish
    "sí|claro|claro-que-sí|por-supuesto|vale|dale|adelante|hazlo|hágalo|de-acuerdo|correcto|confirmo|confirmado|exacto|desde-luego|cómo-no|está-bien|sip|sí-señor",
    // Portuguese
    "sim|pode|pode-sim|pode-fazer|pode-ir|claro-que-sim|com-certeza|certo|isso|isso-mesmo|faça|faça-isso|faz|vai|vá-em-frente|beleza|tá-bom|está-certo|exato|s",
    // Italian
    "certo|certamente|va-bene|d'accordo|procedi|vai|fallo|fai-pure|esatto|giusto|confermo|confermato|sicuro|vai-pure|ovvio|assolutamente",
    // Polish, Turkish, Indonesian
    "tak|jasne|oczywiście|potwierdzam|zgoda|dobrze|zrób-to|evet|tamam|olur|tabii|onaylıyorum|onayla",
    // Russian and Ukrainian
    "да|ага|угу|конечно|хорошо|ладно|окей|ок|давай|давайте|подтверждаю|согласен|согласна|верно|точно|правильно|именно|валяй|продолжай|так|д",
    // Hindi and Urdu, in Latin letters and in their own
    "haan|han|haa|ha|hanji|haanji|haan-ji|han-ji|ji|jee|ji-haan|ji-han|jee-haan|theek-hai|thik-hai|theek|thik|bilkul|zaroor|zarur|sahi|sahi-hai|kar-do|kardo|kr-do|krdo|kar-dein|kar-den|karo|kar-dijiye|kar-dijie|haan-kar-do|pakka|acha|accha|jee-bilkul|g-han|thek-hai|tik-hai",
    "हाँ|हां|हा|जी|जी-हाँ|जी-हां|ठीक-है|ठीक|बिल्कुल|बिलकुल|ज़रूर|जरूर|सही|कर-दो|कर-दीजिए|करो|हाँ-जी|हां-जी",
    "ہاں|جی|جی-ہاں|ٹھیک-ہے|بالکل|ضرور|کر-دو|کر-دیں|کر-دیجیے|صحیح",
    // Arabic
    "نعم|أجل|ايوه|أيوه|ايوا|أكيد|اكيد|موافق|حسنا|حسنًا|تمام|طيب|بالتأكيد|صحيح|افعل|تابع|نعم-افعل-ذلك",
    // Chinese
    "是|是的|对|對|对的|對的|好|好的|好啊|好吧|行|可以|可以的|嗯|嗯嗯|没问题|沒問題|确认|確認|确定|確定|当然|當然|同意|要|要的|请便|继续|執行|执行|没错|沒錯|可",
    // Japanese
    "はい|うん|ええ|そうです|そう|はいはい|お願いします|おねがいします|お願い|どうぞ|いいよ|いいです|いいですよ|了解|了解です|もちろん|オーケー|オッケー|確認しました|大丈夫|大丈夫です|その通り|そのとおりです",
    // Korean
    "네|예|응|그래|그래요|좋아|좋아요|맞아|맞아요|네-맞아요|확인|그렇게-해|해줘|해-주세요|네-그래요|물론|물론이죠|오케이",
];

/// What may stand beside it and changes nothing.
const BESIDE: &[&str] = &[
    "please|pls|plz|plss|thanks|thank-you|thx|ty|cheers|now|right-now|then|too|so|just|very-much|a-lot|for-me|sir|mate|bro|dear|yes|indeed|great|good|perfect|well|oh|ah|hmm|again|with-that|and|immediately|cool|nice|it-is|that-is|really|super|quickly|100-percent|i-m-certain|at-once|asap",
    "bitte|danke|jetzt|sehr|doch|mal|sofort|gut|super|dann|bedankt|alsjeblieft|graag|alstublieft|dank-je|nu",
    "s'il-te-plaît|s'il-vous-plaît|stp|svp|merci|beaucoup|maintenant|tout-de-suite|alors|bien|parfait",
    "por-favor|porfa|gracias|ahora|ya|muchas-gracias|bueno|perfecto|obrigado|obrigada|agora|já|por-gentileza|valeu|bom|per-favore|per-piacere|grazie|adesso|ora|subito|bene|perfetto",
    "proszę|dziękuję|teraz|lütfen|teşekkürler|пожалуйста|спасибо|сейчас|плиз|сделай|сделайте|это",
    "please-kar-do|plz-kar-do|meharbani|shukriya|dhanyavaad|abhi|yaar|bhai|jaldi|कृपया|धन्यवाद|अभी|براہ-کرم|شکریہ|ابھی|من-فضلك|شكرا|لو-سمحت|الآن",
    "请|請|谢谢|謝謝|吧|的|了|啊|呀|哦|就|现在|ありがとう|ございます|ありがとうございます|よ|ね|です|今すぐ|부탁해요|부탁합니다|감사합니다|고마워|제발",
];

/// Words that repeat the deletion that was asked about, and those to which it may be said to apply: all that is on
/// offer, never a part of it.
const DELETE: &[&str] = &[
    "delete|remove|erase|get-rid-of|trash|discard|wipe|clear",
    "lösch|lösche|löschen|loesche|loeschen|entferne|entfernen|verwijder|verwijderen|wis",
    "supprime|supprimez|supprimer|efface|effacez|borra|borra-todo|elimina-todo|bórralas|bórralos|bórralo|bórrala|elimina|elimínalas|elimínalos|elimínala|elimínalo|apaga|apague|exclua|exclui|excluir|remova|apagar|cancella|cancellali|cancellale|eliminali|eliminale|rimuovi|rimuovili|rimuovile",
    "usuń|sil|удали|удалить|удаляй|удалите|delete-kar-do|delete-kardo|delete-karo|delete-kr-do|delete-krdo|hata-do|hatado|hatao|mita-do|mitao|uda-do|हटा-दो|हटाओ|मिटा-दो|डिलीट-कर-दो|حذف-کر-دو|ہٹا-دو|احذف|احذفها|احذفهم|احذفه",
    "删除|删掉|删|刪除|刪掉|刪|削除|削除して|削除してください|消して|消してください|삭제|삭제해|삭제해줘|삭제해-주세요|지워|지워줘",
];
const OBJECT: &[&str] = &[
    "it|them|them-all|both|both-of-them|all|all-of-them|all-of-these|all-of-those|these|those|that|this|everything|the-lot|both-tasks|all-tasks|these-tasks|those-tasks|the-tasks|both-of-these|both-of-those|all-these|all-those|them-both|both-items|tasks|the-task|that-task|this-task",
    "es|sie|alle|beide|alles|diese|beide-aufgaben|alle-aufgaben|ze|ze-allebei|allemaal|beide-taken|die",
    "les|les-deux|tout|tous|toutes|toutes-les-deux|tous-les-deux|la|le|las|los|todas|todos|las-dos|los-dos|ambas|ambos|ambas-tareas|tudo|as|os|as-duas|os-dois|tutto|tutte|tutti|entrambe|entrambi",
    "wszystkie|oba|obie|je|hepsini|ikisini-de|onları|все|всё|их|обе|оба|её|его",
    "dono|donon|dono-ko|sab|sabko|sab-ko|sabhi|inhe|unhe|in-ko|isko|isse|usko|दोनों|सब|सभी|इसे|उसे|इन्हें|उन्हें|دونوں|سب|انہیں|اسے|كلها|كلاهما|الكل",
    "它们|他们|全部|都|两个|两个都|兩個|它|所有|掉|把|全部删除|全て|すべて|全部を|両方|両方とも|これ|それら|를|을|모두|둘-다|전부",
];

/// Whether the whole of `user_text` is a yes: "yes please", "ok, do it", "yes, delete both", 👍. It presupposes that a
/// deletion is on offer. Not a yes is what limits it, adds to it, asks or doubts ("yes but not the first", "yes and add
/// milk", "yes?"), any word that is not known here, and what speaks of another number of tasks than the `offered` ones.
pub(crate) fn is_affirmative(user_text: &str, offered: usize) -> bool {
    static PHRASES: LazyLock<[Vec<Phrase>; 4]> =
        LazyLock::new(|| [YES, BESIDE, DELETE, OBJECT].map(|phrases| Phrase::read_all(phrases, &[], plain)));
    let mut said_yes = false;
    let mut words = Vec::new();
    for token in tokens(&plain(user_text)) {
        match token {
            Token::Word(word) => words.push(word),
            Token::Mark('?' | '؟' | '¿' | ':' | '/' | '%' | '=') => return false,
            Token::Mark(mark) if NO_SIGNS.contains(&mark) => return false,
            Token::Mark(mark) => said_yes |= YES_SIGNS.contains(&mark),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let span = Span { words: &words, is_said: true };
    let [yes, beside, delete, object] = &*PHRASES;
    let mut at = 0;
    while at < words.len() {
        let end = |phrases: &[Phrase]| phrases.iter().filter_map(|phrase| phrase.end(span, at)).max().unwrap_or(at);
        let (yes, beside, delete, object) = (end(yes), end(beside), end(delete), end(object));
        let longest = yes.max(beside).max(delete).max(object);
        if longest == at {
            return false;
        }
        said_yes |= yes == longest || delete == longest;
        at = longest;
    }
    said_yes && fits_number(&words, offered)
}

/// Words for two, and for one.
const TWO: &[&str] = &[
    "both",
    "two",
    "beide",
    "beiden",
    "beides",
    "deux",
    "dos",
    "ambas",
    "ambos",
    "duas",
    "dois",
    "entrambe",
    "entrambi",
    "oba",
    "obie",
    "оба",
    "обе",
    "dono",
    "donon",
    "दोनों",
    "دونوں",
    "两个",
    "兩個",
    "両方",
];
const ONE: &[&str] = &["task", "item", "todo", "entry", "aufgabe", "tâche", "tache", "tarea", "tarefa"];

/// Whether the words, if they speak of a number of tasks, speak of this one.
fn fits_number(words: &[&str], offered: usize) -> bool {
    let says = |number: &[&str]| words.iter().any(|word| number.contains(word));
    let deletes_it = words.windows(2).any(|pair| matches!(pair, ["delete" | "remove" | "erase" | "drop", "it"]));
    (offered == 2 || !says(TWO)) && (offered == 1 || !(says(ONE) || deletes_it))
}
