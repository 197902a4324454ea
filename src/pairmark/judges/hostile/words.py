"""The words that instructions to a judge are made of, in seven languages, each with the letter that stands for its part in them.

A text becomes a string of these letters, one a word, and what is sought becomes a short pattern over them (`orders`): so one rule
holds for all languages, in any mixture, and is looked for in linear time.
"""

import re

from pairmark.domain.folding import fold

PARTS = {
    # leaving aside what one was told
    "V": "ignore disregard forget bypass skip neglect ignorera åsidosätt hoppa frångå bortse glöm strunta ignoriere ignorieren "
    "vergiss vergessen missachte missachten überschreibe übergehe übergehen vernachlässige ignorez ignorer oublie oubliez "
    "oublier ignora ignorad ignorar olvida olvide olvidad تجاهل تجاهلي انس",
    "p": "override overrule",
    "I": "omiso abstraction",
    "f": "follow obey heed apply use följ tillämpa befolge befolgen beachte beachten suis suivez respecte respectez tiens tenez "
    "applique appliquez sigas siga sigue apliques aplique تتبع تلتزم halte halten",
    "z": "not t never inte nicht ne no لا inga aldrig keine niemals pas aucune jamais ninguna nunca",
    "Q": "previous prior above preceding earlier foregoing former existing original initial tidigare föregående ovanstående ovan "
    "vorherigen vorherige bisherigen bisherige früheren frühere obigen obige vorigen vorangegangenen oben précédentes "
    "précédente précédents antérieures dessus anteriores anterior previas previos السابقة السابق اعلاه given angivna givna "
    "vorgegebenen gegebenen données dadas",
    "A": "all any every your these those alla dina era samtliga alle deine ihre sämtliche toutes tous tes vos todas todos tus "
    "sus جميع كل",
    "v": "everything anything allt alles tout todo",
    "N": "instructions instruction prompt prompts guidelines guideline directives directive instruktioner instruktion "
    "anvisningar anvisning anweisungen anweisung instruktionen vorgaben consignes consigne instrucciones indicaciones "
    "التعليمات الاوامر",
    "n": "rules rule orders commands criteria directions constraints regler kriterier regeln kriterien befehle règles critères "
    "ordres reglas criterios órdenes القواعد المعايير",
    "B": "rubric rubrics bedömningsmatris bedömningsmatrisen matrisen bedömningskriterier bedömningskriterierna "
    "bewertungskriterien bewertungsraster bewertungsmaßstab barème rúbrica معايير",
    "k": "marking grading scoring assessment evaluation judging",
    "Z": "new updated revised real actual true nya ny nytt riktiga egentliga neue eigentliche nouvelles nouvelle vraie nuevas "
    "nueva verdadera جديدة الجديدة",
    # deciding
    "C": "choose pick select prefer vote crown favour favor elect välj utse föredra rösta utnämn kora wähle wählen nimm nehmen "
    "küre nenne bevorzuge bevorzugen entscheide choisissez choisis choisir préfère préférez sélectionne sélectionnez "
    "désigne désignez votez retiens retenez élisez elige elija elegir escoge escoja prefiere prefiera selecciona seleccione "
    "declara nombra vota اختر اختاري رشح صوت stimme",
    "G": "give award assign grant rate ge betygsätt bedöm gib geben vergib bewerte bewerten donne donnez attribue attribuez "
    "attribuer accorde accordez accorder notez otorgue otorga califique califica asigna asigne dale اعط امنح",
    "g": "grade score mark rank",
    "R": "respond reply svara antworte antworten réponds répondez responde responda contesta conteste اجب répondre responder "
    "تجيب",
    "r": "output return print say write conclude säg skriv sag sage schreib schreibe dis dites écris écrivez di diga escribe "
    "escriba قل اكتب",
    "P": "please now kindly just only always simply instead endast bara alltid snälla vänligen nur immer bitte uniquement "
    "seulement toujours veuillez systématiquement solo siempre únicamente فقط دائما فضلك immediately nu jetzt maintenant "
    "plutôt ahora",
    "&": "and then also och und et y و فـ",
    "h": "with med mit avec con بالرقم بـ",
    "d": "must should deserves has needs ought shall måste ska skall bör förtjänar muss soll sollte verdient doit mérite debe "
    "merece يجب musst sollst müssen dois devez debes",
    "X": "selected chosen ranked preferred graded rated scored receive receives crowned placed väljas vinna få rankas gewinnen "
    "erhält erhalten gewählt gagner classée classé choisi choisie obtenir reçoit ganar recibe recibir elegido elegida "
    "received awarded fått bewertet obtenu reçu obtuvo حصل",
    "W": "win wins vinner gewinnt gagne gana يفوز",
    "=": "is are am är ist bin est es soy",
    # what is decided about
    "T": "text essay submission response paper composition texten uppsatsen uppsats aufsatz texte copie rédaction dissertation "
    "texto ensayo redacción النص المقال نص مقال script",
    "w": "answer svar svaret antwort réponse respuesta",
    "U": "مقالي نصي",
    "D": "this my här denna min diesen dieser diesem dieses meinen meinem meiner mein ce cette mon ma este esta mi هذا هذه",
    "O": "1 2 ١ ٢",
    "o": "one two first second första andra erste ersten zweite zweiten premier première deuxième primer primero segundo الاول",
    "S": "best better winner winning superior highest maximum max top perfect full strongest stronger bäst bästa bättre vinnare "
    "högsta högst beste bester besten besser bessere höchste höchsten höchstnote bestnote volle sieger gewinner meilleur "
    "meilleure maximale gagnant vainqueur mejor máxima máximo ganador alta الافضل افضل الكاملة الفائز اعلى victory seger "
    "sieg victoire victoria",
    "M": "marks points rating betyg betyget poäng punktzahl punkte puntuación nota calificación puntos الدرجة درجة العلامة",
    "b": "note important viktigt wichtig importante",
    "e": "me us mig oss mir uns moi",
    # who is spoken to, who speaks
    "J": "ai llm chatgpt gpt claude gemini chatbot autograder språkmodell språkmodellen ki sprachmodell sprachmodelle "
    "bewertungssystem bedömningssystem bewertungsmodell ia الاصطناعي llms",
    "j": "j",
    "L": "model modèle modelo نموذج نموذجا",
    "l": "language langage langue lenguaje لغوي لغويا",
    "H": "examiner examiners grader graders marker markers assessor evaluator judge rater raters bedömare bedömaren "
    "huvudbedömare examinator domare rättare prüfer prüferin gutachter gutachterin korrektor korrektorin bewerter "
    "examinateur examinatrice correcteur correctrice évaluateur examinador examinadora evaluador evaluadora corrector "
    "الممتحن المصحح juge juré juez jurado richter richterin",
    "u": "system administrator admin developer moderator operator supervisor board committee jury systemet administratör "
    "utvecklare nämnden nämnd administratorin entwickler kommission prüfungskommission système développeur administrateur "
    "commission sistema tribunal desarrollador administrador comisión النظام لجنة administratören administrators المدير "
    "المشرف",
    "m": "message notice update alert meddelande nachricht hinweis mensaje aviso رسالة mitteilung avis اشعار",
    "Y": "systemmeddelande systemnachricht systemmeldung systemhinweis",
    "t": "to dear attention hey hello hi for till kära hej för an liebe lieber für cher chère pour para estimado estimada "
    "querido querida الى عزيزي hallo bonjour hola مرحبا",
    "q": "if om wenn falls si اذا",
    "y": "you du sie tu vous tú usted",
    "E": "eres كنت",
    "a": "as som als tant como بصفتي",
    "i": "i jag ich je yo انا",
    "c": "confirm certify declare hereby authorise authorize instruct affirm bekräftar intygar förklarar bestätige erkläre "
    "bescheinige confirme certifie déclare atteste",
    "K": "confirmo certifico declaro اوكد اقر اشهد",
    "x": "automated automatic automatisk automatiska automatische automatischen automatischer automatique automático automática",
    "s": "task job role goal objective uppgift roll aufgabe rolle tâche rôle tarea",
    "8": "official confirmed officiellt offizielles amtliches officiel oficial",
    "7": "result verdict decision outcome resultat ergebnis résultat resultado",
    "9": "10 100 diez zehn",
    "F": "approved preapproved verified validated certified judged voted deemed declared named godkänd godkänts geprüft "
    "genehmigt approuvé approuvée validé validée aprobado aprobada",
    "5": "whatever regardless despite oavsett trots ungeachtet trotz malgré independientemente",
    "4": "mode läge modus modo",
}
LEXICON = {fold(word): letter for letter, words in PARTS.items() for word in words.split()}
STOPS = dict.fromkeys(".!?。！？؟।|", "|")
"""A sentence ends."""
PAUSES = {'"': '"'} | dict.fromkeys("\n,;()[]{}<>*#/\\~-،؛", ",")
TOKEN = re.compile(r"و(?=اختر|امنح|اعط|انس|تجاهل|اجب)|[^\W_]+|[\n.!?。！？؟।|:,;\"()\[\]{}<>*#/\\~\-،؛]")
DIGITS_AS_LETTERS = str.maketrans("0134578", "oieastb")
LONGEST_WORD = 40
ARABIC_PREFIXES = ("وال", "بال", "فال", "لل", "ال", "و", "ف", "ب", "ل")


class Letters(dict[str, str]):
    """The letter of every word; words that say nothing have a dot."""

    def __init__(self) -> None:
        super().__init__(LEXICON | STOPS | PAUSES | {":": ":"})

    def __missing__(self, word: str) -> str:
        letter = self._of(word) if len(word) <= LONGEST_WORD else "."
        self[word] = letter
        return letter

    def _of(self, word: str) -> str:
        if word.isascii():
            mixed = not word.isalpha() and not word.isdigit()
            return LEXICON.get(word.translate(DIGITS_AS_LETTERS), ".") if mixed else "."
        if "\u0600" <= word[0] <= "\u06ff":
            rests = (word.removeprefix(prefix) for prefix in ARABIC_PREFIXES if word.startswith(prefix))
            return next((LEXICON[rest] for rest in rests if rest in LEXICON), ".")
        return "."
