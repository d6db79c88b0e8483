"""The languages of the synthetic pairs that are not English."""

from __future__ import annotations

from dataclasses import dataclass

from prefens.data.synthetic.draws import lines, table
from prefens.data.synthetic.texts import Voice


@dataclass(frozen=True)
class Language:
    """What is asked and said in one language.

    Attributes
    ----------
    titles : headings of the answers to both kinds of question.
    capital, sum : templates of the questions, with {country} or {a}, {b} and {items}.
    says_capital, says_sum : templates of the answers, with {city} or {answer} as well.
    countries : rows of country, capital and a city often taken for it; items : countable things.
    remarks : sentences that are true whatever the answer.
    """

    titles: tuple[str, str]
    capital: tuple[str, ...]
    says_capital: tuple[str, ...]
    sum: tuple[str, ...]
    says_sum: tuple[str, ...]
    countries: tuple[tuple[str, ...], ...]
    items: tuple[str, ...]
    remarks: tuple[str, ...]
    voice: Voice


SPANISH = Language(
    titles=("La capital", "El resultado"),
    capital=(
        "¿Cuál es la capital de {country}?",
        "¿Qué ciudad es la capital de {country}?",
        "Dime la capital de {country}.",
    ),
    says_capital=("La capital de {country} es {city}.", "{city} es la capital de {country}."),
    sum=("Tengo {a} {items} y compro {b} más. ¿Cuántas {items} tengo?", "¿Cuántas {items} son {a} y {b} juntas?"),
    says_sum=("En total son {answer} {items}.", "El resultado es {answer}."),
    countries=table("""
        Australia | Canberra | Sídney
        Brasil | Brasilia | Río de Janeiro
        Canadá | Ottawa | Toronto
        Suiza | Berna | Zúrich
        Marruecos | Rabat | Casablanca
        Ecuador | Quito | Guayaquil
        Polonia | Varsovia | Cracovia
        Nueva Zelanda | Wellington | Auckland
    """),
    items=("manzanas", "postales", "monedas", "galletas", "velas", "entradas"),
    remarks=lines("""
        Es una pregunta que sale mucho en la escuela.
        Un buen atlas lo muestra enseguida.
        Conviene leer la pregunta dos veces.
        Se puede comprobar con papel y lápiz.
        Mucha gente se equivoca aquí, así que no pasa nada.
        Si quieres, lo repasamos juntos mañana.
        Los libros de texto traen muchos ejemplos parecidos.
        Con un poco de práctica se recuerda fácilmente.
        También puedes buscarlo en una enciclopedia.
        Apúntalo en una tarjeta y repásalo cada semana.
    """),
    voice=Voice(
        openers=(
            "¡Hola!",
            "Buenos días.",
            "Una pregunta rápida.",
            "Soy {name}, de {town}.",
            "{name} no lo sabe.",
        ),
        closers=("¡Gracias!", "Explícalo, por favor.", "Es para {name}.", "Lo necesito para una clase en {town}."),
        follow_ups=("¡Gracias! Otra pregunta.", "Bien, y ahora esto.", "Una más para {name}."),
        greetings=("¡Claro!", "Por supuesto.", "Buena pregunta.", "Con mucho gusto."),
        closings=("¡Espero que te sirva!", "Avísame si necesitas algo más.", "¡Que tengas un buen día!"),
        hedges=(
            "No estoy del todo seguro.",
            "Quizás me equivoque.",
            "Es difícil de decir.",
            "Tal vez otra persona lo sepa mejor.",
        ),
        rude=("Qué pregunta tan tonta.", "Eso lo sabe todo el mundo.", "Me haces perder el tiempo.", "Qué pereza das."),
        again=("Como ya he dicho:", "Lo repito:", "Una vez más:"),
        apology="Tu petición",
        refusals=("Lo siento, pero no puedo ayudarte con eso.", "Me temo que no puedo responder a esta pregunta."),
        reasons=("Va en contra de mis normas.", "El tema puede ser delicado.", "Consulta mejor a un profesional."),
    ),
)

FRENCH = Language(
    titles=("La capitale", "Le résultat"),
    capital=(
        "Quelle est la capitale {country} ?",
        "Donne-moi la capitale {country}.",
        "Quelle ville est la capitale {country} ?",
    ),
    says_capital=("La capitale {country} est {city}.", "{city} est la capitale {country}."),
    sum=(
        "J'ai {a} {items} et j'en achète {b} de plus. Combien en ai-je ?",
        "Combien font {a} et {b} {items} ensemble ?",
    ),
    says_sum=("Cela fait {answer} {items} en tout.", "Le résultat est {answer}."),
    countries=table("""
        de l'Australie | Canberra | Sydney
        du Brésil | Brasília | Rio de Janeiro
        du Canada | Ottawa | Toronto
        de la Suisse | Berne | Zurich
        du Maroc | Rabat | Casablanca
        de l'Équateur | Quito | Guayaquil
        de la Pologne | Varsovie | Cracovie
        de la Nouvelle-Zélande | Wellington | Auckland
    """),
    items=("pommes", "billes", "pièces", "bougies", "fleurs", "cartes postales"),
    remarks=lines("""
        C'est une question que l'on pose souvent à l'école.
        Un bon atlas le montre tout de suite.
        Il vaut mieux lire la question deux fois.
        On peut le vérifier avec un crayon et du papier.
        Beaucoup de gens se trompent, ce n'est pas grave.
        Si tu veux, nous pouvons le revoir ensemble demain.
        Les manuels donnent beaucoup d'exemples semblables.
        Avec un peu d'habitude, on s'en souvient facilement.
        Tu peux aussi chercher dans une encyclopédie.
        Note-le sur une fiche et relis-la chaque semaine.
    """),
    voice=Voice(
        openers=(
            "Bonjour !",
            "Salut !",
            "Petite question.",
            "Je m'appelle {name} et j'habite à {town}.",
            "{name} me demande ceci.",
        ),
        closers=("Merci !", "Explique-moi, s'il te plaît.", "C'est pour {name}.", "C'est pour un cours à {town}."),
        follow_ups=("Merci ! Encore une question.", "Bien, et ceci ?", "Une autre pour {name}."),
        greetings=("Bien sûr !", "Avec plaisir.", "Bonne question.", "Volontiers !"),
        closings=("J'espère que cela t'aide !", "N'hésite pas à demander la suite.", "Bonne journée !"),
        hedges=(
            "Je n'en suis pas tout à fait sûr.",
            "Je me trompe peut-être.",
            "C'est difficile à dire.",
            "Quelqu'un d'autre le sait sans doute mieux.",
        ),
        rude=("Quelle question idiote.", "Tout le monde sait cela.", "Tu me fais perdre mon temps.", "Quelle paresse."),
        again=("Comme je l'ai dit :", "Je répète :", "Encore une fois :"),
        apology="Ta demande",
        refusals=(
            "Je suis désolé, mais je ne peux pas t'aider.",
            "Je crains de ne pas pouvoir répondre à cette question.",
        ),
        reasons=(
            "C'est contraire à mes règles.",
            "Le sujet peut être délicat.",
            "Adresse-toi plutôt à un professionnel.",
        ),
    ),
)

GERMAN = Language(
    titles=("Die Hauptstadt", "Das Ergebnis"),
    capital=(
        "Was ist die Hauptstadt von {country}?",
        "Welche Stadt ist die Hauptstadt von {country}?",
        "Nenne mir die Hauptstadt von {country}.",
    ),
    says_capital=("Die Hauptstadt von {country} ist {city}.", "{city} ist die Hauptstadt von {country}."),
    sum=(
        "Ich habe {a} {items} und kaufe {b} dazu. Wie viele {items} habe ich?",
        "Wie viele {items} sind {a} und {b} zusammen?",
    ),
    says_sum=("Zusammen sind es {answer} {items}.", "Das Ergebnis ist {answer}."),
    countries=table("""
        Australien | Canberra | Sydney
        Brasilien | Brasília | Rio de Janeiro
        Kanada | Ottawa | Toronto
        Finnland | Helsinki | Tampere
        Marokko | Rabat | Casablanca
        Ecuador | Quito | Guayaquil
        Polen | Warschau | Krakau
        Neuseeland | Wellington | Auckland
    """),
    items=("Äpfel", "Murmeln", "Münzen", "Kerzen", "Bücher", "Postkarten"),
    remarks=lines("""
        Diese Frage kommt in der Schule oft vor.
        Ein guter Atlas zeigt es sofort.
        Es lohnt sich, die Frage zweimal zu lesen.
        Mit Papier und Bleistift lässt es sich prüfen.
        Viele Leute irren sich hier, das macht nichts.
        Wenn du magst, gehen wir es morgen noch einmal durch.
        In Schulbüchern stehen viele ähnliche Beispiele.
        Mit etwas Übung merkt man es sich leicht.
        Du kannst es auch in einem Lexikon nachschlagen.
        Schreib es auf eine Karte und lies sie jede Woche.
    """),
    voice=Voice(
        openers=("Hallo!", "Guten Tag.", "Kurze Frage.", "Ich bin {name} aus {town}.", "{name} hat mich das gefragt."),
        closers=("Danke!", "Bitte erkläre es kurz.", "Es ist für {name}.", "Ich brauche es für einen Kurs in {town}."),
        follow_ups=("Danke! Noch eine Frage.", "Gut, und jetzt das.", "Noch eine für {name}."),
        greetings=("Gern!", "Natürlich.", "Gute Frage.", "Das mache ich gern."),
        closings=("Ich hoffe, das hilft dir!", "Sag Bescheid, wenn du mehr brauchst.", "Einen schönen Tag noch!"),
        hedges=(
            "Ich bin mir nicht ganz sicher.",
            "Vielleicht irre ich mich.",
            "Das ist schwer zu sagen.",
            "Womöglich weiß es jemand anders besser.",
        ),
        rude=("Was für eine dumme Frage.", "Das weiß doch jeder.", "Du verschwendest meine Zeit.", "Wie faul von dir."),
        again=("Wie gesagt:", "Ich wiederhole:", "Noch einmal:"),
        apology="Deine Anfrage",
        refusals=("Es tut mir leid, dabei kann ich nicht helfen.", "Diese Frage kann ich leider nicht beantworten."),
        reasons=(
            "Das verstößt gegen meine Regeln.",
            "Das Thema kann heikel sein.",
            "Wende dich lieber an eine Fachperson.",
        ),
    ),
)

FOREIGN = (SPANISH, FRENCH, GERMAN)
