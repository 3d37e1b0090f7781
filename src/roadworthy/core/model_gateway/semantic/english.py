"""English words that change what is asked for though they hardly change a vector."""

from __future__ import annotations

from typing import Final


def _words(*texts: str) -> frozenset[str]:
    return frozenset(word for text in texts for word in text.split())


NEGATIONS: Final = _words(
    """not never no none nobody nothing nowhere neither nor non without cannot cant dont doesnt didnt wont wouldnt
    couldnt shouldnt isnt arent wasnt werent hasnt havent hadnt aint mustnt neednt unable except excluding unless
    lack lacks lacking hardly barely rarely seldom scarcely fail fails failed failing refuse refuses refused avoid
    avoids avoiding rid excl apart aside barring anti un""",
    # What stands in an English sentence of who thinks in another language.
    """nicht kein keine keinen keinem keiner keines nie niemals nichts ohne nein ne pas jamais sans aucun aucune rien
    nunca jamas sin ningun ninguna niente senza geen niet""",
)
WHOLES: Final = _words(
    "all any every each everything anything nothing none everyone everybody anyone anybody nobody everywhere anywhere"
)
"""`But` behind one of them takes something out."""
DENIES_THE_NEXT_WORD: Final = _words("not never no non without")

_TEENS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
SMALL_NUMBERS: Final = {
    **{word: number for number, word in enumerate(_TEENS.split())},
    **{word: number * 10 for number, word in enumerate(_TENS.split(), start=2)},
}
SCALES: Final = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}

EXACT: Final = _words(
    # Numbers, as they stand.
    """too nearly almost first second final initial penultimate only solely exclusively merely either minus plus times
    third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth twentieth thirtieth hundredth last
    next previous upcoming dozen dozens half halves quarter quarters thirds once twice thrice double triple twofold
    pair couple both hundreds thousands millions ii iii iv vi vii viii ix xi xii xiii xiv xv xvi xx""",
    # Dates: "may" is left out, which is more often a verb.
    """monday tuesday wednesday thursday friday saturday sunday january february march april june july august september
    october november december jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri
    sat today tomorrow yesterday tonight noon midnight weekday weekdays weekend weekends morning afternoon evening
    spring summer autumn winter easter christmas""",
    # Units.
    """seconds millisecond milliseconds ms kelvin kw kwh mw mwh mph kmh kph mbps gbps acre acres hectare hectares mg
    milligram milligrams stone stones pint pints dozen celcius hz khz mhz ghz amps pixels px
    minute minutes hour hours day days week weeks month months year years decade decades hourly daily weekly
    fortnight fortnightly monthly quarterly yearly annual annually pm percent percentage kg kilo kilos kilogram
    kilograms gram grams lb lbs pound pounds oz ounce ounces ton tons tonne tonnes km kilometer kilometers kilometre
    kilometres metre metres meter meters cm mm inch inches foot feet mile miles yard yards litre litres liter liters
    gallon gallons ml degrees celsius fahrenheit kb mb gb tb bytes kilobytes megabytes gigabytes terabytes watts
    volts""",
    # Currencies.
    """usd eur gbp jpy chf aud cad nzd cny inr brl sek nok dkk pln czk huf rub zar mxn sgd hkd krw dollar dollars euro
    euros sterling yen franc francs yuan rupee rupees peso pesos krona kronor zloty cent cents penny pence quid buck
    bucks bitcoin btc ether eth lira won baht ringgit dirham dirhams riyal shekel
    shekels ron thb idr php myr vnd aed sar ils uah twd cop clp egp ngn kes pkr usdt
    canadian australian american british swiss mexican""",
)
"""Words of closed lists: who says another one asks for another thing."""
SAME_VALUE: Final = {
    "$": "dollar",
    "€": "euro",
    "£": "pound",
    "¥": "yen",
    "₹": "rupee",
    "%": "percent",
    "usd": "dollar",
    "eur": "euro",
    "gbp": "pound",
    **{
        f"{unit}s": unit
        for unit in sorted(
            _words("dollar euro pound second minute hour day week month year weekend weekday kilo gram mile")
        )
    },
}

ROLES: Final = {
    **dict.fromkeys(("from", "off"), "from"),
    **dict.fromkeys(("to", "into", "onto", "towards", "toward"), "to"),
    **dict.fromkeys(("than", "instead", "rather", "versus", "vs", "against"), "than"),
    **dict.fromkeys(("before", "until", "till", "prior"), "before"),
    **dict.fromkeys(("after", "since"), "after"),
    **dict.fromkeys(("over", "above"), "over"),
    **dict.fromkeys(("under", "below", "beneath"), "under"),
    "between": "between",
    "by": "by",
}
"""What the word behind it is to the others."""
STRICT_ROLES: Final = frozenset(("by", "than"))
"""Who does not stand behind such a word in both questions is not the same in both."""

_ALTERNATIVES: Final = """
increase increases increased increasing raise raises raised raising / decrease decreases decreased decreasing
    reduce reduces reduced reducing lower lowered lowering;
more higher most highest maximum max longer longest bigger biggest larger largest / less fewer lower least
    fewest lowest minimum min shorter shortest smaller smallest;
more most less least fewer / same;
before earlier earliest / after later latest;
above over / below under;
first / last;
enable enabled enabling activate activated activating / disable disabled disabling deactivate deactivated
    deactivating;
open opened opening opens / close closed closing closes;
start starts started starting begin begins / stop stopped stopping stops end ends ended ending finish;
add adds added adding / remove removes removed removing delete deletes deleted deleting;
buy buying bought purchase purchased / sell sells selling sold;
send sends sent sending / receive receives received receiving;
deposit deposits deposited depositing / withdraw withdraws withdrawn withdrawing withdrew withdrawal
    withdrawals;
lock locked locking block blocked blocking freeze frozen freezing / unlock unlocked unlocking unblock unblocked
    unblocking unfreeze unfrozen;
accept accepts accepted accepting approve approved / reject rejects rejected rejecting decline declines
    declined;
allow allows allowed allowing permit permitted / forbid forbidden ban banned prohibit prohibited;
include includes included including / exclude excludes excluded excluding;
on / off;
in inside / out outside;
up / down;
cheap cheaper cheapest / expensive;
fast faster fastest / slow slower slowest;
hot hotter / cold colder;
new newer newest / old older oldest;
incoming inbound arrival arrivals arrive arrives arriving arrived / outgoing outbound departure departures
    depart departs leave leaves leaving left;
win wins won winner / lose loses lost loser;
borrow borrows borrowed / lend lends lent;
credit / debit;
import imports imported / export exports exported;
upload uploads uploaded / download downloads downloaded;
upgrade upgrades upgraded / downgrade downgrades downgraded;
login / logout;
public / private;
safe / unsafe dangerous;
pass passes passed / fail fails failed;
always / never;
everyone everybody / nobody;
man men he his / woman women she her;
mother mum mom / father dad;
mother father mum mom dad parent parents / child children son sons daughter daughters;
husband / wife;
brother / sister;
son / daughter;
buyer / seller;
sender / recipient receiver;
domestic / international;
best / worst;
better / worse;
true / false;
must mandatory obligatory compulsory / may might optional;
and / or;
north northern / south southern / east eastern / west western;
red / green / blue / yellow / black / white;
small smaller / medium / large larger;
same / different;
all every each / one single;
give gives gave given giving / take takes took taken taking;
cause causes caused / prevent prevents prevented;
attach attached / detach detached;
question questions / answer answers;
teacher teachers / student students;
employer employers / employee employees;
winner winners / loser losers;
hire hired / fire fired;
join joined joining / leave leaving left;
push pushed / pull pulled;
load loaded / unload unloaded;
"""
ALTERNATIVES: Final = tuple(
    tuple(_words(forms) for forms in group.split(" / ")) for group in _ALTERNATIVES.split(";") if group.strip()
)
"""Who says one of them does not ask for the other."""
ASKED_FOR: Final = tuple(_words(forms) for forms in ("when", "where", "who whom whose", "why"))
"""One question may hold several of them, but then it has one in common with the other."""
OPPOSING_PREFIXES: Final = ("un", "in", "im", "ir", "il", "dis", "non", "de", "mis", "ab")
OPPOSING_SUFFIX: Final = "less"
TOLD_APART: Final = tuple(
    tuple(_words(forms) for forms in group)
    for group in (
        ("my mine", "your yours", "his", "her hers", "our ours", "their theirs"),
        ("i me you myself yourself", "he him himself", "she herself", "we us ourselves", "they them themselves"),
        ("will", "was were did had", "has have"),
    )
)
"""Questions may hold several of one group, but then one holds all that the other does."""
_IRREGULAR: Final = """
pay paid; send sent; buy bought; sell sold; give gave given; take took taken; tell told; make made; get got gotten;
leave left; lose lost; steal stole stolen; break broke broken; speak spoke spoken; write wrote written; see saw seen;
know knew known; find found; hold held; keep kept; lend lent; spend spent; win won; meet met; bring brought;
teach taught; catch caught; choose chose chosen; drive drove driven; eat ate eaten; hear heard; beat beaten; say said;
think thought; go went gone; come came; do did done
"""
IRREGULAR: Final = {form: forms.split()[0] for forms in _IRREGULAR.split(";") for form in forms.split()[1:]}
FILLERS: Final = _words(
    """please hi hello hey thanks thank kindly just so well ok okay now also too really actually sorry the a an could
    can would you tell me know"""
)
"""What a question is as good without."""
WRITTEN_WITHOUT_VOWELS: Final = _words("pls plz thx tks hmm mmm brb btw tbh mrs msg msgs nvm psst grr shh")
"""And no codes."""
_KEYBOARD: Final = "qwertyuiop asdfghjkl zxcvbnm qwertzuiop yxcvbnm azertyuiop abcdefghijklmnopqrstuvwxyz"
KEYBOARD: Final = tuple(_KEYBOARD.split())
PERSONS: Final = {
    **dict.fromkeys(("i", "me", "myself"), "i"),
    **dict.fromkeys(("you", "yourself"), "you"),
    **dict.fromkeys(("he", "him"), "he"),
    **dict.fromkeys(("she", "her"), "she"),
    **dict.fromkeys(("we", "us"), "we"),
    **dict.fromkeys(("they", "them"), "they"),
}

FUNCTION_WORDS: Final = _words(
    """a an the this that these those my your his her its our their me you him them us i we he she it they myself
    yourself is are was were be been being am do does did done have has had having can could will would shall should
    may might must of in on at for with about as by to from into onto if then so because while when where what which
    who whom whose why how and or but not no yes there here just also too very please get got getting want wanted
    need needed let lets tell know im ive id ill whats hows wheres theres dont cant doesnt isnt didnt wont any some
    all more than up out off over under again still yet already now really actually hi hello hey thanks thank ok
    okay help"""
)
"""What says little about what a question is about."""

SURELY_ENGLISH: Final = _words(
    """the is my your how what why when where can could does did have has you and this that there been should would
    which who they with of it it's are was were not i'm i've don't can't doesn't isn't if please tell want need"""
)
"""Of those, what hardly stands in a text of another language."""
PERHAPS_ENGLISH: Final = _words("a i an am as at be by do for he in me on or so to up us we will")
"""What does, but seldom so often."""
