//! Claims in other languages than English, each with what is like them and claims nothing.

use super::super::claims_change;

/// A language, claims in it, and what claims nothing.
type Row = (&'static str, &'static [&'static str], &'static [&'static str]);

const TABLE: &[Row] = &[
    (
        "German",
        &[
            "Ich habe Milch zu deiner Liste hinzugefügt.",
            "Erledigt! Ich habe die Aufgabe gelöscht.",
            "Die Aufgabe wurde gelöscht.",
            "„Milch“ wurde als erledigt markiert.",
            "Habe ich gelöscht.",
            "Erledigt!",
            "Aufgabe hinzugefügt.",
            "Milch ist jetzt auf deiner Liste.",
            "Der Titel ist nun geändert.",
            "Ich habe “Milch” umbenannt.",
            "Ich habe die Aufgaben 2 und 3 gelöscht, möchtest du noch etwas?",
        ],
        &[
            "Soll ich „Milch“ löschen?",
            "Ich habe keine Aufgabe gelöscht.",
            "Ich habe nichts geändert.",
            "Die Aufgabe wurde nicht gelöscht.",
            "Du hast 2 erledigte Aufgaben.",
            "Ich kann die Aufgabe löschen.",
            "„Milch“ war schon erledigt.",
            "Wenn die Aufgabe gelöscht wurde, ist sie weg.",
            "Ich werde Milch hinzufügen.",
            "Erledigt:\n- Milch",
            "Wurde die Aufgabe gelöscht?",
            "Die Aufgabe wurde gestern gelöscht.",
        ],
    ),
    (
        "Dutch",
        &[
            "Ik heb melk toegevoegd aan je lijst.",
            "De taak is verwijderd.",
            "Klaar!",
            "Taak toegevoegd.",
            "De taak is nu gemarkeerd als voltooid.",
            "Ik heb de taak ‘melk’ hernoemd.",
        ],
        &[
            "Zal ik de taak verwijderen?",
            "Ik heb niets verwijderd.",
            "De taak is niet gevonden.",
            "Je hebt 2 voltooide taken.",
            "Ik kan melk toevoegen.",
            "De taak was al voltooid.",
        ],
    ),
    (
        "French",
        &[
            "J'ai ajouté « lait » à votre liste.",
            "J’ai bien supprimé la tâche.",
            "Je l'ai supprimée.",
            "La tâche a été supprimée.",
            "Tâche ajoutée !",
            "C'est fait !",
            "« Lait » a été marqué comme terminé.",
            "Je viens de supprimer les deux tâches.",
            "Nous avons modifié le titre.",
            "Pas de souci, j'ai renommé la tâche.",
        ],
        &[
            "Voulez-vous que je supprime la tâche ?",
            "Je n'ai rien supprimé.",
            "Aucune tâche n'a été supprimée.",
            "Rien n'a été modifié.",
            "Vous avez 2 tâches terminées.",
            "Je peux ajouter une tâche.",
            "La tâche était déjà terminée.",
            "Si la tâche a été supprimée, elle est perdue.",
            "Je vais ajouter du lait.",
            "Tâches terminées :\n- lait",
        ],
    ),
    (
        "Spanish",
        &[
            "He añadido “leche” a tu lista.",
            "¡Listo! La tarea ha sido eliminada.",
            "La he eliminado.",
            "Añadí leche a tu lista.",
            "Se ha marcado como completada.",
            "Se eliminó la tarea.",
            "Tarea agregada con éxito.",
            "¡Hecho!",
            "Sí, he eliminado ambas tareas.",
            "Acabo de borrar la tarea.",
            "La tarea fue renombrada.",
        ],
        &[
            "¿Quieres que elimine la tarea?",
            "No he eliminado nada.",
            "No se ha eliminado ninguna tarea.",
            "Tienes 2 tareas completadas.",
            "Puedo añadir una tarea.",
            "La tarea ya estaba completada.",
            "Si he eliminado algo, lo siento.",
            "Voy a añadir leche.",
            "Tareas completadas:\n- leche",
            "No encontré esa tarea.",
        ],
    ),
    (
        "Portuguese",
        &[
            "Adicionei leite à sua lista.",
            "Pronto! A tarefa foi excluída.",
            "A tarefa foi marcada como concluída.",
            "Tarefa adicionada com sucesso!",
            "Já removi as duas tarefas.",
            "Acabei de apagar a tarefa.",
            "Renomeei a tarefa para “leite”.",
        ],
        &[
            "Quer que eu exclua a tarefa?",
            "Não excluí nada.",
            "Nenhuma tarefa foi excluída.",
            "Você tem 2 tarefas concluídas.",
            "Posso adicionar uma tarefa.",
            "A tarefa já estava concluída.",
            "Se a tarefa foi removida, não dá para voltar.",
            "Vou adicionar leite.",
        ],
    ),
    (
        "Italian",
        &[
            "Ho aggiunto “latte” alla tua lista.",
            "Fatto! L'attività è stata eliminata.",
            "L'ho eliminata.",
            "Attività completata!",
            "Ho appena rinominato l'attività.",
            "Il titolo è stato modificato.",
        ],
        &[
            "Vuoi che elimini l'attività?",
            "Non ho eliminato nulla.",
            "Nessuna attività è stata eliminata.",
            "Hai 2 attività completate.",
            "Posso aggiungere un'attività.",
            "L'attività era già completata.",
            "Se ho eliminato qualcosa, mi dispiace.",
        ],
    ),
    (
        "Russian",
        &[
            "Я добавил молоко в ваш список.",
            "Готово! Задача удалена.",
            "Добавила «молоко» в список.",
            "Задача «молоко» отмечена как выполненная.",
            "Название было изменено.",
            "Я успешно удалил обе задачи.",
        ],
        &[
            "Удалить задачу «молоко»?",
            "Я ничего не удалил.",
            "Задача не была удалена.",
            "У вас 2 выполненные задачи.",
            "Я могу добавить задачу.",
            "Задача уже была выполнена.",
            "Если задача удалена, её не вернуть.",
        ],
    ),
    (
        "Polish",
        &["Dodałem mleko do listy.", "Zadanie zostało usunięte.", "Gotowe!", "Usunięto zadanie."],
        &["Czy usunąć zadanie?", "Nie usunąłem niczego.", "Zadanie nie zostało usunięte.", "Mogę dodać zadanie."],
    ),
    (
        "Turkish",
        &["Sütü listene ekledim.", "Görev silindi.", "“Süt” tamamlandı olarak işaretlendi."],
        &["Görevi sileyim mi?", "Hiçbir görev silinmedi.", "Görev ekleyebilirim.", "Görev silindi mi?"],
    ),
    (
        "Hindi and Urdu in Latin letters",
        &[
            "Maine doodh add kar diya hai.",
            "Task delete ho gaya.",
            "Dono tasks delete kar diye gaye hain.",
            "Maine “milk” ko complete mark kar diya.",
            "Ho gaya!",
            "Doodh list mein shamil kar diya gaya hai.",
            "Woh task hata diya.",
        ],
        &[
            "Kya main task delete kar doon?",
            "Maine kuch delete nahi kiya.",
            "Koi task delete nahi kiya gaya.",
            "Main task add kar sakta hoon.",
            "Agar task delete kar diya gaya, to wapas nahi aayega.",
            "Aap ke 2 tasks complete hain.",
        ],
    ),
    (
        "Hindi",
        &["मैंने दूध जोड़ दिया है।", "काम हटा दिया गया है।", "मैंने कार्य डिलीट कर दिया।"],
        &["क्या मैं इसे हटा दूँ?", "मैंने कुछ नहीं हटाया।", "कोई कार्य डिलीट नहीं किया गया।"],
    ),
    (
        "Urdu",
        &["میں نے دودھ شامل کر دیا ہے۔", "کام حذف کر دیا گیا۔"],
        &["کیا میں اسے حذف کر دوں؟", "کچھ حذف نہیں کیا گیا۔"],
    ),
    (
        "Arabic",
        &["لقد أضفت الحليب إلى قائمتك.", "تم حذف المهمة.", "تمت إضافة المهمة بنجاح."],
        &["هل تريد حذف المهمة؟", "لم يتم حذف أي شيء.", "يمكنني إضافة مهمة."],
    ),
    (
        "Chinese",
        &[
            "我已经把“牛奶”添加到您的列表。",
            "已删除。",
            "任务已成功删除！",
            "删除了两个任务。",
            "我已将任务标记为完成。",
            "好的，已添加“牛奶”。",
            "完成了！",
            "没问题，我已经删除了它。",
            "標題已更新。",
        ],
        &[
            "要删除这个任务吗？",
            "我没有删除任何任务。",
            "任务未删除。",
            "您有2个已完成的任务。",
            "我可以添加任务。",
            "如果删除了任务，就无法恢复。",
            "已删除的任务无法恢复。",
            "没有找到这个任务。",
        ],
    ),
    (
        "Japanese",
        &[
            "「牛乳」を追加しました。",
            "タスクを削除しました！",
            "タスクが削除されました。",
            "完了にしました。",
            "名前を変更しておきました。",
            "かしこまりました。両方消しました。",
        ],
        &[
            "「牛乳」を削除しますか？",
            "何も変更されませんでした。",
            "タスクは削除されていません。",
            "完了済みのタスクは2件です。",
            "タスクを追加できます。",
            "削除しましたか？",
            "かしこまりました。",
        ],
    ),
    (
        "Korean",
        &["우유를 추가했습니다.", "작업이 삭제되었습니다.", "완료했어요!"],
        &["삭제할까요?", "아무것도 삭제하지 않았습니다.", "추가할 수 있습니다."],
    ),
];

#[test]
fn claims_in_other_languages_are_seen_and_their_likes_left_alone() {
    let mut wrong = Vec::new();
    for (language, claims, harmless) in TABLE {
        let missed = claims.iter().filter(|text| !claims_change(text, &[])).map(|text| ("missed", text));
        let taken = harmless.iter().filter(|text| claims_change(text, &[])).map(|text| ("taken for a claim", text));
        wrong.extend(missed.chain(taken).map(|(how, text)| format!("{language}, {how}: {text}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
