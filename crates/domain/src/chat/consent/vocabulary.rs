//! The words in which deletions are asked for, and what part each plays.
//!
//! The languages share the table: a word that means something else in another language is left out, for a word that is
//! not understood makes a message unclear, and then the server asks. Deliberately not here: what follows from the words
//! (`permission.rs`).

use std::sync::LazyLock;

use super::super::words::{Phrase, Span};
use super::plain;

/// What a word of a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A verb of deletion as one asks for it.
    Delete,
    /// The same of a verb that is also said of a whole list: "clear my list".
    Clear,
    /// A verb of deletion with "all", where that word alone means something else in another language.
    DeleteAll,
    /// All of them.
    All,
    /// Two, and no more than two.
    Both,
    /// Those that are done.
    Completed,
    /// Those that are not.
    Open,
    /// Tasks, in the plural.
    Tasks,
    /// The list.
    List,
    /// A number as a word, or a place in the list.
    Number(usize),
    /// The last one.
    Last,
    /// "The first" before a number: "the first two".
    First,
    /// Between two numbers: from one to the other.
    Through,
    /// Between two things.
    Joint,
    /// What makes a question a request: "could you".
    Request,
    /// What says nothing.
    Filler,
    /// A verb that asks for something else, where a command begins.
    Other,
    /// The same, of a verb behind which a title comes: what follows is no command, whatever it says.
    Titled,
}

const TABLE: &[(Role, &[&str])] = &[
    (
        Role::Delete,
        &[
            "delete|remove|erase|drop|get-rid-of|trash|throw-away|throw-out|throw|toss|discard|scrap|bin|ditch|nuke|dump|del|rm|kill|eliminate|strike",
            "lösch|lösche|löschen|loesch|loesche|loeschen|lösche-bitte|entfern|entferne|entfernen|streich|streiche|streichen|wirf|verwijder|verwijderen|wis|wissen|schrap|schrappen|gooi",
            "supprime|supprimer|supprimez|efface|effacer|effacez|enlève|enlever|enlevez|retire|retirer|retirez|jette",
            "borra|borrar|borre|bórralas|bórralos|borrarlas|borrarlos|elimina|eliminar|elimine|elimínalas|elimínalos|eliminarlas|eliminarlos|quita|quitar|quite|quítalas|quítalos|suprime|suprimir",
            "apaga|apague|apagar|exclua|exclui|excluir|remova|remover|deleta|delete|deletar|tira|tirar",
            "eliminare|eliminali|eliminale|cancella|cancellare|cancellali|cancellale|rimuovi|rimuovere|rimuovili|rimuovile|togli|togliere",
            "usuń|usunąć|skasuj|sil|siler-misin|silin|kaldır|удали|удалить|удалите|убери|убрать|уберите|сотри|стереть|сотрите",
            "hata-do|hatado|hata-den|hata-dein|hata-dijiye|hata-dijie|hatao|hataao|mita-do|mitado|mita-den|mita-dein|mitao|nikal-do|nikalo|uda-do|khatam-kar-do|khatam-karo|delete-kar-do|delete-kardo|delete-karo|delete-karein|delete-karen|delete-kr-do|delete-krdo|delete-kar-dein|delete-kar-den|remove-kar-do|remove-karo|remove-kardo",
            "हटा-दो|हटाओ|हटाएं|हटा-दीजिए|मिटा-दो|मिटाओ|डिलीट-कर-दो|डिलीट-करो|ہٹا-دو|ہٹا-دیں|مٹا-دو|حذف-کر-دو|حذف-کریں|حذف-کر-دیں|ڈیلیٹ-کر-دو|احذف|احذفي|امسح|أزل",
            "删除|删掉|删了|删|移除|去掉|刪除|刪掉|刪|削除|削除して|削除してください|削除しといて|消して|消してください|取り除いて|삭제|삭제해|삭제해줘|삭제해-주세요|지워|지워줘|지워-주세요",
        ],
    ),
    (
        Role::Clear,
        &[
            "clear|clear-out|clear-off|clear-up|wipe|wipe-out|wipe-off|empty|empty-out|purge|leere|leeren|leeg|vide|vider|videz|vacía|vaciar|vacíe|limpia|limpiar|limpa|limpe|limpar|esvazie|esvaziar|svuota|svuotare|очисти|очистить|очистите|wyczyść|temizle|saaf-kar-do|खाली-कर-दो|清空|清除",
        ],
    ),
    (
        Role::DeleteAll,
        &[
            "borra-todo|borrar-todo|borre-todo|bórralo-todo|elimina-todo|eliminar-todo|elimine-todo|quita-todo|quitar-todo|limpia-todo",
        ],
    ),
    (
        Role::All,
        &[
            "all|all-of|all-of-them|all-of-these|all-of-those|them-all|everything|every|every-single|every-one-of|everyone|each|each-of|each-and-every|every-last-one-of|the-lot|the-whole-lot|whole|the-whole|entire|complete-list|full-list|all-the",
            "alle|alles|sämtliche|saemtliche|jede|jeden|jedes|ganze|gesamte|sie-alle|allemaal|hele|ze-allemaal",
            "tout|tous|toutes|toute|todos|todas|toda|tudo|tutto|tutti|tutte|tutta|entera|intera|inteira|entière|toda-la",
            "wszystko|wszystkie|hepsini|tümünü|tüm|bütün|hepsi|все|всё|всех|весь|каждую",
            "sab|sabko|sab-ko|sab-kuch|sabhi|saare|sare|saari|sari|sara|saara|tamam|poori|puri|tamaam",
            "सब|सब-कुछ|सभी|सारे|सारी|पूरी|سب|تمام|ساری|سارے|پوری|كل|جميع|كلها|الكل",
            "全部|所有|所有的|全|都|一切|每个|每個|整个|すべて|すべての|全て|全ての|全部の|ぜんぶ|모두|전부|모든",
        ],
    ),
    (
        Role::Both,
        &[
            "both|both-of|both-of-them|both-of-these|both-of-those|them-both|beide|beiden|alle-beide|allebei|alle-zwei",
            "les-deux|toutes-les-deux|tous-les-deux|ambos|ambas|los-dos|las-dos|os-dois|as-duas|entrambi|entrambe|tutti-e-due|tutte-e-due",
            "oba|obie|obydwa|obydwie|ikisini|ikisini-de|her-ikisini|her-ikisini-de|оба|обе|обоих|обеих",
            "dono|donon|dono-ko|donon-ko|दोनों|दोनों-को|دونوں|دونوں-کو|كلاهما|كلتاهما|كليهما|الاثنين",
            "两个|两个都|两项|两者|两条|兩個|兩個都|両方|両方とも|二つとも|둘-다|두-개-모두",
        ],
    ),
    (
        Role::Completed,
        &[
            "completed|done|finished|complete|closed|accomplished|checked|checked-off|ticked|ticked-off|crossed-off|that-are-done|that-are-completed|that-are-finished|that-are-complete|which-are-done|i-completed|i-finished|i-have-completed|i-have-finished|i-ve-completed|i-ve-finished|i-have-done|i-ve-done|already-done|already-completed",
            "erledigt|erledigte|erledigten|abgeschlossene|abgeschlossenen|fertige|fertigen|voltooide|afgeronde|afgevinkte",
            "terminé|terminée|terminées|terminés|complétées|complétés|achevées|faites|completada|completadas|completados|terminadas|terminados|hechas|concluídas|concluídos|feitas|completate|completati|finite|fatte",
            "ukończone|zakończone|tamamlanan|tamamlanmış|выполненные|завершенные|завершённые|готовые|сделанные|mukammal|mukammal-shuda|पूरे|पूर्ण|مکمل|المكتملة|المنجزة",
            "已完成|已完成的|完成的|完成した|完了した|完了済み|完了済みの|済んだ|済みの|완료된",
        ],
    ),
    (
        Role::Open,
        &[
            "pending|open|unfinished|incomplete|uncompleted|undone|outstanding|that-are-open|that-are-pending|that-are-left",
            "offene|offenen|unerledigte|unerledigten|openstaande|onvoltooide|ouvertes|en-cours|inachevées|pendientes|pendentes|abertas|in-sospeso|incomplete|aperte",
            "nieukończone|bekleyen|невыполненные|открытые|незавершенные|незавершённые|adhoore|adhure|अधूरे|المعلقة|未完成|未完成的|未完了の|未完了|미완료",
        ],
    ),
    (
        Role::Tasks,
        &[
            "tasks|todos|to-dos|items|things|ones|entries|reminders|errands|chores|aufgaben|einträge|punkte|taken|tâches|tareas|tarefas|itens|attività|compiti|zadania|görevleri|görevler|задачи|задач|дела|kaam|kaamon|kam|काम|कार्य|کام|المهام|مهام|任务|任務|事项|待办|待办事项|项目|タスク|項目|작업|항목|할일",
        ],
    ),
    (
        Role::List,
        &[
            "list|to-do-list|todo-list|task-list|to-do|todo|liste|lista|lijst|fehrist|список|списка|listeyi|लिस्ट|सूची|فہرست|القائمة|列表|清单|清單|リスト|목록",
        ],
    ),
    (
        Role::Number(1),
        &[
            "number-one|first|1st|erste|ersten|eerste|premier|première|primera|primero|primeira|primeiro|prima|primo|первую|первый|первое|pehla|pehli|pehle-wala|पहला|पहली|第一个|第一個|第一|最初|一つ目",
        ],
    ),
    (
        Role::Number(2),
        &[
            "two|second|2nd|zwei|zweite|zweiten|tweede|deux|deuxième|seconde|dos|segunda|segundo|dois|duas|due|seconda|secondo|вторую|второй|второе|doosra|doosri|dusra|dusri|दूसरा|दूसरी|第二个|第二個|第二|二つ目",
        ],
    ),
    (
        Role::Number(3),
        &[
            "three|third|3rd|drei|dritte|dritten|drie|derde|trois|troisième|tres|tercera|tercero|três|terceira|terceiro|tre|terza|terzo|третью|третий|третье|teesra|teesri|tisra|tisri|तीसरा|तीसरी|第三个|第三個|第三|三つ目",
        ],
    ),
    (
        Role::Number(4),
        &[
            "four|fourth|4th|vier|vierte|vierten|vierde|quatre|quatrième|cuatro|cuarta|cuarto|quatro|quarta|quarto|quattro|четвёртую|четвертую|第四个|第四",
        ],
    ),
    (
        Role::Number(5),
        &["five|fifth|5th|fünf|fünfte|fünften|vijf|vijfde|cinq|cinquième|cinco|quinta|quinto|cinque|пятую|第五个|第五"],
    ),
    (Role::Number(6), &["six|sixth|6th"]),
    (Role::Number(7), &["seven|seventh|7th"]),
    (Role::Number(8), &["eight|eighth|8th"]),
    (Role::Number(9), &["nine|ninth|9th"]),
    (Role::Number(10), &["ten|tenth|10th"]),
    (
        Role::Last,
        &[
            "last|last-one|bottom|bottom-one|letzte|letzten|laatste|dernier|dernière|última|último|ultima|ultimo|последнюю|последний|последнее|aakhri|akhri|आखिरी|最后一个|最後一個|最后|最後",
        ],
    ),
    (
        Role::First,
        &[
            "first|top|ersten|eersten|premiers|premières|primeras|primeros|primeiras|primeiros|prime|primi|первые|pehle|前",
        ],
    ),
    (Role::Through, &["-|–|—|to|through|thru|till|until|up-to|bis|tot|à|al|até|fino-a|до|到|至|から|~"]),
    (
        Role::Joint,
        &[",|and|&|+|plus|as-well-as|und|sowie|en|et|y|e|ed|и|i|aur|ve|oraz|और|اور|و|和|跟|以及|、|と|그리고|와|과|/"],
    ),
    (
        Role::Request,
        &[
            "can-you|could-you|would-you|will-you|can-we|could-we|would-you-please|can-u|could-u|may-i-ask-you-to|kannst-du|können-sie|könntest-du|könnten-sie|würdest-du|kun-je|kunt-u|wil-je|peux-tu|pouvez-vous|pourrais-tu|pourriez-vous|puedes|podrías|puede|pode|você-pode|poderia|puoi|potresti|può|możesz|можешь|можете|kya-aap|kya-tum|aap|क्या-आप|کیا-آپ|能|能不能|可以|可以帮我|你能|你可以|もらえますか|くれますか|いただけますか|줄래요",
        ],
    ),
    (
        Role::Filler,
        &[
            "please|pls|plz|just|now|right-now|right-away|immediately|at-once|then|also|too|as-well|instantly|thanks|thank-you|thx|ok|okay|yes|yeah|yep|sure|well|so|hey|hi|hello|doable|actually|really|again|asap|today|permanently|completely|only|simply|kindly|go-ahead-and|feel-free-to|let-s|lets|be-so-kind-as-to|for-me|away|out|off|quickly",
            "i-want-you-to|i-d-like-you-to|i-would-like-you-to|i-need-you-to|i-want-to|i-d-like-to|i-would-like-to|i-need-to|we-should|you-can|you-may|you-should|you-must|i-wish-to|want-you-to|help-me|i-said|yes-please|want-to",
            "the|my|our|your|a|an|these|those|this|that|them|it|of|from|on|in|at|for|one|task|item|entry|todo-item|reminder|number|numbers|nr|nos|position|positions|#|:|(|)|named|called|titled|about|with|containing|that-contain|that-contains|that-mention|that-say|that-start-with|mentioning|with-the-word|single|two-of-them",
            "bitte|mal|jetzt|sofort|danke|doch|die|der|das|den|meine|meinen|meiner|meines|diese|dieser|von|vom|aus|auf|aufgabe|nummer|weg|ich-möchte|ich-will|ich-möchte-dass-du|du-kannst|alsjeblieft|graag|nu|de|het|mijn|uit|van|taak|naar",
            "s'il-te-plaît|s'il-vous-plaît|stp|svp|merci|maintenant|les|la|le|l|mes|ma|mon|ces|cette|du|des|de-la|dans|sur|tâche|numéro|je-veux|je-voudrais|je-veux-que-tu",
            "por-favor|gracias|ahora|las|los|el|mis|mi|estas|estos|del|de-mi|tarea|quiero|quiero-que|quisiera|agora|obrigado|obrigada|as|os|o-item|minhas|meus|minha|da|do|das|dos|tarefa|quero|quero-que|essas|esses|per-favore|per-piacere|grazie|adesso|ora|il|lo|gli|mie|miei|mia|dalla|della|delle|dei|voglio|vorrei|queste|questi",
            "proszę|teraz|moje|z-listy|lütfen|şimdi|listemdeki|listeden|пожалуйста|сейчас|мои|эти|из|с|задачу|номер|моего|спасибо|мне",
            "ko|ki|ke|ka|wale|wali|wala|mere|meri|mera|list-se|fehrist-se|list-ki|abhi|zara|karo|kardo|kar-do|kr-do|krdo|kar-dein|kar-den|do|yaar|bhai|meharbani|please-se|मेरे|मेरी|को|के|की|का|अभी|कृपया|कर-दो|दो|से|میرے|میری|کو|کے|کی|ابھی|براہ-کرم|من|فضلك|لو-سمحت|المهمة",
            "请|請|帮我|幫我|帮忙|把|将|將|给我|吧|掉|的|了|我的|我|这些|這些|那些|里|中|上|个|個|第|号|请帮我|を|も|の|に|お願いします|ください|して|今すぐ|私の|番|目|을|를|제|내|주세요|해|해줘|지금",
        ],
    ),
    (
        Role::Other,
        &[
            "show|list|display|complete|finish|check|check-off|tick-off|mark|tell-me|see|view|zeig|zeige|erledige|markiere|hake|toon|markeer|montre|affiche|termine|marque|muestra|enséñame|completa|marca|mostra|mostre|conclua|marque|segna|mostrami|pokaż|göster|покажи|отметь|заверши|dikhao|dikha-do|dikhana|显示|顯示|列出|标记|完成|表示して|見せて",
        ],
    ),
    (
        Role::Titled,
        &[
            "add|create|make|new|put|write|note|remind|remind-me|remember|rename|retitle|change|update|edit|replace|set|call|insert|schedule|enter|füge|hinzufügen|erstelle|notiere|erinnere|benenne|ändere|voeg|maak|hernoem|herinner|wijzig|ajoute|ajouter|crée|rappelle|renomme|change|modifie|añade|agrega|crea|recuérdame|renombra|cambia|adicione|adiciona|crie|lembre|renomeie|mude|altere|aggiungi|ricordami|rinomina|modifica|dodaj|utwórz|zmień|ekle|oluştur|hatırlat|değiştir|добавь|добавить|создай|напомни|переименуй|измени|shamil|jod|jodo|likho|likh|yaad|banao|添加|新增|加|创建|創建|提醒|重命名|改|修改|追加|作成",
        ],
    ),
];

/// What limits a consent or takes it back, wherever it stands.
const LIMITS: &str = "not|t|dont|doesnt|never|no|nope|none|neither|nor|nothing|except|excluding|exclude|but|besides|apart|aside|other|others|rest|remaining|without|unless|keep|leave|spare|save|instead|if|when|wait|stop|cancel|maybe|perhaps|later|almost|most|some|any|half|undo|how|why|what|whether|should|or|nicht|kein|keine|keinen|nichts|nie|außer|ausser|bis-auf|aber|ohne|behalte|behalten|lass|wenn|falls|oder|vielleicht|später|niet|geen|behalve|maar|zonder|houd|bewaar|als|misschien|pas|rien|jamais|sauf|excepté|mais|hormis|garde|gardez|moins|sans|ou|ne|nada|nunca|excepto|salvo|menos|pero|guarda|deja|conserva|sin|o|não|nenhuma|exceto|mas|mantenha|mantém|deixe|sem|non|niente|mai|tranne|eccetto|ma|meno|senza|tieni|nie|oprócz|ale|bez|zostaw|hariç|dışında|ama|silme|değil|не|нет|кроме|но|без|оставь|если|или|nahi|nahin|nai|mat|chhod|chod|chor|chhor|siwa|siwaye|sivaye|alawa|ilawa|magar|lekin|baghair|rakho|rehne|agar|ya|नहीं|मत|छोड़|सिवाय|अलावा|लेकिन|अगर|रहने|या|نہیں|مت|سوائے|علاوہ|لیکن|اگر|رہنے|لا|إلا|باستثناء|لكن|ما-عدا|不|别|別|除了|除去|除外|除非|但|留|保留|如果|没|沒|以外|除いて|ない|残し|残して|だけ|しないで|もし|빼고|제외|말고|하지-마|않";

/// The words, ready to be looked for.
pub(super) struct Vocabulary {
    phrases: Vec<(Role, Phrase)>,
    limits: Phrase,
}

/// The one vocabulary.
pub(super) static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| {
    let phrases =
        TABLE.iter().flat_map(|(role, lines)| lines.iter().map(|line| (*role, Phrase::read(line, &[], plain))));
    Vocabulary { phrases: phrases.collect(), limits: Phrase::read(LIMITS, &[], plain) }
});

impl Vocabulary {
    /// The parts that the words at `at` may play, with where they end; only those with the most words, in the order of
    /// the table.
    pub fn roles(&self, words: &[&str], at: usize) -> (usize, Vec<Role>) {
        let span = Span { words, is_said: true };
        let found = || self.phrases.iter().filter_map(|(role, phrase)| Some((*role, phrase.end(span, at)?)));
        let longest = found().map(|(_, end)| end).max().unwrap_or(at);
        (longest, found().filter(|(_, end)| *end == longest && longest > at).map(|(role, _)| role).collect())
    }

    /// Whether the words limit what they ask for.
    pub fn limits(&self, words: &[&str]) -> bool {
        self.limits.find(Span { words, is_said: true }).is_some()
    }
}
