//! How changes are claimed in Russian, Polish, Turkish, Hindi, Urdu, Arabic, Chinese, Japanese and Korean.

use super::language::Language;

pub(super) const LANGUAGES: &[Language] =
    &[RUSSIAN, POLISH, TURKISH, HINDI_URDU_IN_LATIN, HINDI, URDU, ARABIC, CHINESE, JAPANESE, KOREAN];

const RUSSIAN: Language = Language {
    classes: &[
        (
            "did",
            "добавил|добавила|добавили|создал|создала|создали|удалил|удалила|удалили|убрал|убрала|убрали|стёр|стер|стёрла|переименовал|переименовала|изменил|изменила|изменили|обновил|обновила|обновили|отметил|отметила|отметили|завершил|завершила|выполнил|выполнила|исправил|исправила|заменил|заменила|записал|записала|внёс|внес|внесла|поменял|поменяла|очистил|очистила|пометил|пометила",
        ),
        (
            "changed",
            "добавлен*|создан|создана|создано|созданы|удален*|удалён*|убран*|стёрт*|стерт*|переименован*|изменен*|изменён*|обновлен*|обновлён*|отмечен*|помечен*|исправлен*|заменен*|заменён*|записан*|внесен*|внесён*|очищен*",
        ),
        ("completed", "выполнен*|завершен*|завершён*|закончен*"),
        ("soon", "уже|теперь|только-что|также|тоже|успешно|обе|оба|все|и|была|был|было|были"),
    ],
    joints: "и|но|а|или",
    asks: &[
        "[и|так|хорошо] хотите|хочешь|нужно|надо|можно|могу|какую|какой|какие|что|кто|когда|где|почему|как|мне|вы|ты|удалить|добавить|отметить",
    ],
    idle: &["без проблем", "не беспокойтесь|проблема|вопрос|только", "могу подтвердить [что]", "нет проблем"],
    harmless: &[
        "<changed>ые|<completed>ые задачи",
        "удаленные|удалённые|добавленные|выполненные|завершенные|завершённые задачи",
        "которая|которую|которые|которой",
    ],
    denials: "не|ни|нет|ничего|никогда|нельзя|без|невозможно",
    modals: "могу|может|можно|можете|буду|будет|будут|хотите|хочу|нужно|надо|следует|чтобы|давайте",
    conditions: "если|когда|как-только|после-того|прежде|перед",
    past: "вчера|ранее|раньше|прежде|назад|тогда",
    already: "уже-была|уже-был|уже-были|уже-выполнен*|уже-отмечен*|ещё|пока",
    nothing: "ничего",
    subjects: "я|мы|задача|задачи|она|он|они|это|ваша|твоя|но|□",
    own: &["^ {я|мы|<soon>|готово|да|её|ее|его|их|вам|тебе|для-вас|обе|это} <did>", "я|мы ... <did>"],
    told: &[
        "задача|задачи|задачу|название|список|запись|пункт|она|он|они|это|□ [□] {<soon>} <changed>",
        "теперь {<soon>} <changed>|<completed>|называется|в-списке|пуст",
        "был|была|было|были {<soon>} <changed>|<completed>",
        "успешно <changed>|<completed>",
    ],
    bare: &["^ {<soon>|да|всё|все} <changed>", "^ .. <changed> !", "^ задача [□] <completed> !"],
    done: &["^ {всё|все} готово|сделано|выполнено !"],
    bare_not: "ты|вы|что|быть",
    state: &[],
    yes: "",
};

const POLISH: Language = Language {
    classes: &[
        (
            "changed",
            "dodan*|utworzon*|usunięt*|skasowan*|zmienion*|zaktualizowan*|oznaczon*|ukończon*|zakończon*|przemianowan*",
        ),
        (
            "did",
            "dodałem|dodałam|utworzyłem|utworzyłam|usunąłem|usunęłam|skasowałem|skasowałam|zmieniłem|zmieniłam|zaktualizowałem|zaktualizowałam|oznaczyłem|oznaczyłam|ukończyłem|ukończyłam|zakończyłem|zakończyłam|dodaliśmy|usunęliśmy",
        ),
    ],
    joints: "i|a|ale|oraz",
    asks: &["czy|jaki|jaka|jakie|które|który|która|co|kto|kiedy|gdzie|dlaczego|jak|chcesz"],
    idle: &["nie ma problemu|sprawy", "nie martw się", "bez problemu"],
    denials: "nie|nic|żaden|żadne|żadna|żadnego|nigdy|bez",
    modals: "mogę|może|można|będę|będzie|chcesz|chcę|należy|żeby",
    conditions: "jeśli|jeżeli|gdy|kiedy|gdyby|zanim|po-tym",
    past: "wczoraj|wcześniej|poprzednio|temu",
    already: "już-był*|jeszcze|już-jest",
    nothing: "nic",
    subjects: "zadanie|zadania|to|ale|□",
    own: &["<did>"],
    told: &[
        "został|została|zostało|zostały ... <changed>",
        "jest|są teraz ... <changed>",
        "zadanie|zadania|□ [□] <changed>",
    ],
    bare: &["^ [już] <changed>"],
    done: &["^ [już|wszystko] gotowe|zrobione|załatwione !"],
    bare_not: "jest|są|być|było|był|była",
    ..Language::NONE
};

const TURKISH: Language = Language {
    classes: &[(
        "did",
        "ekledim|ekledik|oluşturdum|oluşturduk|sildim|sildik|kaldırdım|kaldırdık|tamamladım|değiştirdim|güncelledim|işaretledim|düzenledim|çıkardım|eklendi|oluşturuldu|silindi|kaldırıldı|değiştirildi|güncellendi|işaretlendi|çıkarıldı|eklenmiştir|silinmiştir|adlandırdım|adlandırıldı",
    )],
    joints: "ve|ama|fakat",
    idle: &["sorun değil"],
    harmless: &["<did> mi|mı|mu|mü"],
    denials: "hiçbir|değil|yok",
    conditions: "eğer|ise",
    past: "dün|önce|daha-önce|önceden",
    already: "zaten|hâlâ|henüz",
    own: &["<did>"],
    bare: &["görev|□ tamamlandı !"],
    done: &["^ [her-şey] tamamlandı|hazır|bitti|oldu|halledildi !"],
    ..Language::NONE
};

const HINDI_URDU_IN_LATIN: Language = Language {
    classes: &[
        (
            "noun",
            "add|delete|remove|erase|complete|done|mark|update|edit|rename|create|change|clear|shamil|mukammal|khatam|tabdeel|hazf|poora|pura|saaf|darj|save|replace|check-off",
        ),
        ("verb", "hata|mita|nikal|nikaal|jod|jor|badal|bana|daal|dal|likh|rakh|kaat|kat"),
        ("gave", "diya|dia|di|diye|dee|dya|chuka|chuki|liya|lia|li|liye|gaya|gya|gayi|gai|gaye|gaey"),
    ],
    joints: "aur|lekin|magar|par",
    asks: &["[to|toh|aur] kya|kaun|kaunsa|kaunsi|kon|konsa|konsi|kab|kahan|kyun|kyu|kaise|kitne|kitni"],
    idle: &["koi baat nahi|nahin", "koi masla|mushkil nahi|nahin"],
    harmless: &["<gave> tha|thi|the", "jo|jis|jisko"],
    denials: "nahi|nahin|nai|nhi|mat|bina|baghair|koi-nahi|naa",
    modals: "sakta|sakti|sakte|karun|karoon|karun-ga|chahiye|chahte|chahenge|doon|dun",
    conditions: "agar|jab|jaise-hi|phir-agar",
    past: "kal|pehle|pahle|guzishta",
    already: "pehle-se|pehle-hi|abhi-tak",
    nothing: "nahi|nahin|nhi",
    own: &[
        "<noun> kar|kr <gave>",
        "<noun> ho|hogaya|hogayi|hogya [<gave>]",
        "<noun> ki|kiya|kia|kiye|kardiya|kardi|kardia|krdiya|krdia|krdi [hai|gaya|gayi|gya|gai|hain]",
        "<verb> <gave>",
        "<noun> kar-di|kar-diya gayi|gaya",
    ],
    bare: &["^ {sab|kaam|yeh|ye|ji|done} ho gaya|gayi|gya|gai|chuka", "^ {sab|kaam|ye|yeh|ji} hogaya|hogayi|hogya"],
    ..Language::NONE
};

const HINDI: Language = Language {
    classes: &[
        ("verb", "जोड़|हटा|मिटा|निकाल|बदल|बना|डाल|लिख|रख"),
        ("noun", "डिलीट|एड|ऐड|पूरा|पूर्ण|समाप्त|अपडेट|शामिल|चिह्नित|मार्क|दर्ज|संशोधित|हटाया|जोड़ा|बदला|मिटाया|बनाया|रिमूव|कंप्लीट"),
        ("gave", "दिया|दी|दिए|गया|गई|गयी|गए|लिया|चुका|चुकी"),
    ],
    joints: "और|लेकिन|पर",
    asks: &["[तो|और] क्या|कौन|कौनसा|कौनसी|कब|कहाँ|क्यों|कैसे|कितने"],
    idle: &["कोई बात नहीं"],
    harmless: &["<gave> था|थी|थे", "जो|जिसे|जिन्हें"],
    denials: "नहीं|मत|बिना",
    modals: "सकता|सकती|सकते|चाहिए|चाहते|चाहेंगे",
    conditions: "अगर|यदि|जब",
    past: "कल|पहले",
    already: "पहले-से|पहले-ही|अभी-तक",
    nothing: "नहीं",
    own: &["<verb> <gave>", "<noun> कर|हो <gave>", "<noun> <gave>", "<noun> किया|की|किए [है|गया|गई|हैं]"],
    bare: &["^ {सब|काम|यह} हो गया|गई"],
    ..Language::NONE
};

const URDU: Language = Language {
    classes: &[
        ("verb", "ہٹا|مٹا|نکال|بدل|بنا|ڈال|لکھ"),
        ("noun", "شامل|حذف|مکمل|ڈیلیٹ|تبدیل|درج|ختم|اپڈیٹ"),
        ("gave", "دیا|دی|دیے|گیا|گئی|گئے|لیا|چکا"),
    ],
    joints: "اور|لیکن|مگر",
    asks: &["کیا|کون|کب|کہاں|کیوں|کیسے"],
    harmless: &["<gave> تھا|تھی|تھے"],
    denials: "نہیں|مت|بغیر",
    modals: "سکتا|سکتی|سکتے|چاہتے|چاہیے",
    conditions: "اگر|جب",
    past: "کل|پہلے",
    nothing: "نہیں",
    own: &["<verb> <gave>", "<noun> کر|ہو <gave>", "<noun> کیا|کی گیا|گئی|ہے"],
    bare: &["^ ہو گیا|گئی"],
    ..Language::NONE
};

const ARABIC: Language = Language {
    classes: &[
        ("noun", "إضافة|حذف|إزالة|إنشاء|تعديل|تغيير|تحديث|إكمال|وضع|مسح|إنجاز|اضافة|ازالة|انشاء|اكمال|تسمية"),
        (
            "did",
            "أضفت|أضفتها|أضفته|حذفت|حذفتها|حذفته|أزلت|أزلتها|أنشأت|عدلت|عدّلت|غيرت|غيّرت|حدثت|حدّثت|أكملت|مسحت|وضعت|أضفنا|حذفنا|اضفت|ازلت",
        ),
    ],
    joints: "ولكن|لكن",
    asks: &["هل|ما|ماذا|من|متى|أين|لماذا|كيف|أي|أأ*"],
    idle: &["لا مشكلة|بأس", "لا تقلق"],
    denials: "لم|لن|لا|ليس|ما|بدون|لايمكن",
    modals: "سوف|سأ*|يمكنني|يمكن|أستطيع|تريد|أن",
    conditions: "إذا|إن|لو|عندما|بعد-أن|قبل-أن",
    past: "أمس|سابقا|سابقًا|من-قبل",
    already: "بالفعل-من|سلفا",
    nothing: "شيئا-لم",
    own: &["<did>", "قمت|قمنا ب*"],
    told: &["تم|تمت {الآن|بنجاح|بالفعل} <noun>", "وتم|وتمت <noun>"],
    bare: &[],
    done: &["^ تم|تمت [بنجاح] !"],
    ..Language::NONE
};

const CHINESE: Language = Language {
    classes: &[
        (
            "do",
            "添加|新增|增加|加入|加到|加进|创建|建立|删除|移除|删掉|清空|清除|去掉|更新|修改|更改|改成|改为|改名|重命名|标记|标为|设为|设置|替换|編輯|编辑|保存|记录|添加到|刪除|創建|新建|標記|更改為|重新命名|改為|刪掉|勾选|取消",
        ),
        ("soon", "经|經|成功|为您|为你|帮您|帮你|将|把|都|全部|給您|为|您|你|的"),
    ],
    idle: &["没|沒 问题|問題|关系|關係", "不客气|不用谢|不用担心|别担心|不好意思|不错"],
    harmless: &[
        "<do> [过|了] 的 任务|事项|项目|待办|任務|内容|东西",
        "吗|嗎|么 $",
        "要不要|是否|是不是|有没有|能不能|可不可以|需不需要",
        "多少|哪个|哪些|哪一个|什么|怎么|为什么",
    ],
    denials: "没|沒|未|不|无法|無法|无|别|失败|失敗|尚",
    modals: "可以|会|會|想|需要|能|准备|打算|请",
    conditions: "如果|要是|若|一旦|当|等|假如|只要",
    past: "之前|昨天|以前|刚才已|先前|早些时候|此前|早前",
    already: "早已|原本|本来|早就",
    nothing: "不|失败|失敗",
    subjects: "我|任务|任務|已|□|现在|但",
    own: &["我 ... <do> [到|为|成] .. 了|好|完", "我 {刚|刚刚|剛} 已|已经|已經 ... <do>"],
    told: &[
        "已 {<soon>} ... <do>",
        "成功 {<soon>} <do>",
        "<do> [完] 了",
        "<do> 成功|完成|完毕|好了",
        "□ <do> 了|好|成功",
        "标记|標記|标|设 为|為 [已] 完成|完毕 !",
        "已|已经 ... 标记|標記",
        "任务|任務|□ .. 已 .. 完成 !",
        "完成 了 !",
        "现在叫|現在叫|现在是空的",
    ],
    bare: &[],
    done: &["^ {已|都|全部|经|好的} 完成|搞定|办好|好了|处理好 [了|啦] !"],
    bare_not: "还|還|正在|几个|幾個",
    ..Language::NONE
};

const JAPANESE: Language = Language {
    classes: &[
        (
            "noun",
            "追加|削除|変更|更新|登録|作成|消去|完了|マーク|修正|編集|保存|設定|リネーム|除去|クリア|チェック|改名",
        ),
        (
            "did",
            "しました|しておきました|いたしました|致しました|されました|済みました|できました|ししました|した $|しといた",
        ),
    ],
    idle: &["問題ありません|かしこまりました|わかりました|承知しました|了解しました|承知いたしました"],
    harmless: &[
        "しました|ました|ますか|でしょうか か",
        "しました|ました|した たら|ら|場合|タスク|もの|項目|とき|時",
        "ません でした",
        "済み の|です",
        "どの|どれ|何|いつ|どう",
    ],
    denials: "まだ|ません|ない|何も|なにも",
    conditions: "もし|場合|と-すぐ",
    past: "昨日|以前|前回|先日|さっき",
    already: "すでに|既に|もう|現在",
    own: &[
        "<noun> [を|に|と] しました|しておきました|いたしました|致しました|されました|できました|しといたよ|したよ",
        "<noun> が|は 完了 しました|です !",
        "消しました|消しておきました|加えました|変えました|入れました|外しました|消えました|付けました|改めました|書き換えました",
        "完了|済み|済|終わり|名前 に|へ ... しました|変えました",
        "<noun> した !",
    ],
    bare: &[],
    done: &["^ 完了 !", "^ できました !", "^ 終わりました !"],
    ..Language::NONE
};

const KOREAN: Language = Language {
    classes: &[("noun", "추가|삭제|제거|생성|완료|변경|수정|업데이트|등록|저장|표시")],
    denials: "않|못|없|아직|안",
    conditions: "만약|경우",
    past: "어제|이전|전에",
    already: "이미",
    harmless: &["했|되었|됐 습니까|나요|을까요", "할까요|드릴까요|까요"],
    own: &[
        "<noun> 했|하였|되었|됐|된|해드렸|해-드렸|로-표시했|처리했 습니다|어요|다|음|습니당|네요",
        "<noun> 로 표시|변경 했|되었|됐",
    ],
    bare: &[],
    done: &["^ 완료 !"],
    ..Language::NONE
};
