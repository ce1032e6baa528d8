//! How changes are claimed in German and Dutch.

use super::language::Language;

pub(super) const LANGUAGES: &[Language] = &[GERMAN, DUTCH];

const GERMAN: Language = Language {
    classes: &[
        (
            "changed",
            "hinzugefügt|zugefügt|hinzugefuegt|ergänzt|angelegt|erstellt|eingetragen|notiert|aufgenommen|gelöscht|geloescht|entfernt|gestrichen|umbenannt|geändert|geaendert|aktualisiert|angepasst|bearbeitet|ersetzt|korrigiert|markiert|abgehakt|wiederhergestellt|gespeichert|verschoben|geleert|ausgetragen|gekennzeichnet",
        ),
        ("completed", "erledigt|abgeschlossen|fertig|fertiggestellt|beendet"),
        (
            "soon",
            "jetzt|nun|soeben|gerade|eben|auch|schon|erfolgreich|somit|damit|hiermit|beide|bereits|alle|für-dich|für-sie",
        ),
    ],
    joints: "und|aber|oder|sondern",
    asks: &[
        "[und|also|ok|okay|gut] soll|sollen|möchtest|möchten|willst|wollen|kann|können|darf|dürfen|hast|haben-sie|habe-ich|hab|ist|sind|wurde|wurden|welche|welchen|welcher|welches|was|wer|wann|wo|warum|wie|meinst|meinen",
    ],
    idle: &["kein problem", "keine sorge|ursache", "ich kann bestätigen", "nicht nur"],
    harmless: &[
        "<changed>e|<completed>e aufgaben|einträge",
        "wie|was|welche|warum ich|du|sie|man",
        "nicht mehr gefunden",
    ],
    denials: "nicht|kein|keine|keinen|keiner|keines|keinem|nichts|nie|niemals|ohne|weder|leider-nicht|fehlgeschlagen|unmöglich",
    modals: "werde|wird|werden|wirst|kann|kannst|können|könnte|könnten|soll|sollen|sollte|möchte|möchtest|möchten|will|willst|wollen|würde|würden|darf|muss|müssen|lass|wäre|hätte",
    conditions: "wenn|falls|sobald|ob|bevor|nachdem|sofern|solange",
    past: "gestern|vorhin|früher|zuvor|damals|vorher|neulich|letzte|letzten",
    already: "schon|bereits|noch|derzeit|aktuell",
    nothing: "nichts|nicht|kein|keine|keinen",
    subjects: "ich|wir|sie|es|er|die|der|das|deine|dein|ihre|diese|alle|beide|aber|jetzt|□",
    own: &[
        "ich|wir habe|hab|haben ... <changed>|<completed>",
        "habe|hab|haben ich|wir ... <changed>|<completed>",
        "^ habe|hab ... <changed>|<completed>",
        "ich|wir <soon> ... <changed>",
    ],
    told: &[
        "wurde|wurden ... <changed>",
        "wurde|wurden ... <completed>",
        "ist|sind {<soon>|aus|deiner|ihrer|der|liste|zu} <changed>",
        "ist|sind jetzt|nun|damit|somit|hiermit ... <changed>|<completed>|weg|leer|auf-deiner-liste|auf-der-liste",
        "heißt|lautet jetzt|nun",
        "erfolgreich <changed>|<completed>",
    ],
    bare: &[
        "^ {<soon>|alles|alle|beides|ok|okay|gut|gerne|klar} <changed>",
        "^ {die|der|das|deine|neue|beide} aufgabe|aufgaben|eintrag|einträge|titel|punkt|liste|todo [□] {<soon>} ... <changed> $",
        "^ {die|deine} aufgabe [□] {<soon>} <completed> !",
        "□ {<soon>|zur|zu|deiner|ihrer|der|aus|von|als|liste|<completed>} <changed>",
        "^ .. <changed> !",
        "^ ... zur|zu|von|aus [deiner|ihrer|der] liste <changed>",
        "^ ... als erledigt markiert !",
    ],
    done: &["^ {<soon>|alles|ok|okay|gut|super|prima|klar|schon} <completed>|gemacht|getan|gebongt !"],
    bare_not: "du|wer|welche|ist|sind|war|waren|hast|zum|um",
    state: &[],
    yes: "ja",
};

const DUTCH: Language = Language {
    classes: &[
        (
            "changed",
            "toegevoegd|verwijderd|gewist|geschrapt|aangemaakt|gemaakt|hernoemd|gewijzigd|veranderd|bijgewerkt|aangepast|gemarkeerd|afgevinkt|vervangen|opgeslagen|bewerkt|gezet",
        ),
        ("completed", "voltooid|afgerond|klaar|gedaan"),
        ("soon", "nu|zojuist|net|ook|al|succesvol|met-succes|zonet|allebei|beide|alvast|voor-je|voor-u"),
    ],
    joints: "en|maar|of",
    asks: &[
        "[en|dus|ok|oké] zal|zullen|wil|wilt|moet|mag|kan|heb|hebt|heeft|is|zijn|welke|wat|wie|wanneer|waar|waarom|hoe|bedoel|bedoelt",
    ],
    idle: &["geen probleem|zorgen", "niet alleen"],
    harmless: &["<changed>e|<completed>e taken|items", "hoe|wat|welke|waarom ik|je|u"],
    denials: "niet|geen|niets|niks|nooit|zonder|noch|mislukt",
    modals: "zal|zullen|zou|kan|kunt|kunnen|kun|wil|wilt|moet|moeten|mag|laat|ga|gaan|wordt|worden",
    conditions: "als|indien|zodra|wanneer|voordat|nadat|tenzij|of-ik",
    past: "gisteren|eerder|vroeger|voorheen|destijds|vorige",
    already: "al|reeds|nog|momenteel",
    nothing: "niets|niks|niet|geen",
    subjects: "ik|we|wij|het|de|je|jouw|uw|deze|alle|beide|maar|nu|□",
    own: &[
        "ik|we|wij heb|hebben ... <changed>|<completed>",
        "heb|hebben ik|we|wij ... <changed>|<completed>",
        "^ heb ... <changed>|<completed>",
    ],
    told: &[
        "is|zijn|werd|werden {<soon>|aan|van|uit|je|jouw|uw|de|lijst} <changed>",
        "is|zijn nu ... <changed>|<completed>|weg|leeg",
        "is|zijn|werd|werden ... als voltooid|afgerond|gedaan|klaar gemarkeerd",
        "werd|werden ... <changed>|<completed>",
        "succesvol <changed>|<completed>",
    ],
    bare: &[
        "^ {<soon>|alles|ok|oké|prima} <changed>",
        "^ {de|je|jouw|nieuwe|beide} taak|taken|item|items|titel|lijst [□] {<soon>} ... <changed> $",
        "^ {de|je} taak [□] {<soon>} <completed> !",
        "□ {<soon>|aan|van|uit|je|jouw|uw|de|lijst|als|<completed>} <changed>",
        "^ .. <changed> !",
    ],
    done: &["^ {<soon>|alles|ok|oké|prima|helemaal} <completed>|geregeld !"],
    bare_not: "jij|wie|welke|is|zijn|was|waren|te|om",
    state: &[],
    yes: "ja",
};
