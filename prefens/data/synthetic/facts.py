"""The facts behind the synthetic pairs: what is right, and the mistake people often make."""

from __future__ import annotations

from prefens.data.synthetic.draws import table

# country | capital | a city often taken for it | continent | a sight
COUNTRIES = table("""
Australia | Canberra | Sydney | Oceania | the Great Barrier Reef
New Zealand | Wellington | Auckland | Oceania | Milford Sound
Canada | Ottawa | Toronto | North America | Banff National Park
Mexico | Mexico City | Guadalajara | North America | the pyramid of Chichén Itzá
Cuba | Havana | Santiago de Cuba | North America | the Viñales valley
Jamaica | Kingston | Montego Bay | North America | Dunn's River Falls
Costa Rica | San José | Limón | North America | the Arenal volcano
Brazil | Brasília | Rio de Janeiro | South America | Sugarloaf Mountain
Ecuador | Quito | Guayaquil | South America | the Galápagos Islands
Peru | Lima | Cusco | South America | the ruins of Machu Picchu
Chile | Santiago | Valparaíso | South America | the peaks of Torres del Paine
Colombia | Bogotá | Medellín | South America | the salt cathedral of Zipaquirá
Argentina | Buenos Aires | Córdoba | South America | the Perito Moreno glacier
Uruguay | Montevideo | Punta del Este | South America | the old town of Colonia del Sacramento
Switzerland | Bern | Zurich | Europe | the Jungfrau
Poland | Warsaw | Kraków | Europe | Malbork Castle
Germany | Berlin | Munich | Europe | Neuschwanstein Castle
Italy | Rome | Milan | Europe | the Colosseum
Spain | Madrid | Barcelona | Europe | the Alhambra
Portugal | Lisbon | Porto | Europe | the Tower of Belém
France | Paris | Lyon | Europe | the abbey of Mont-Saint-Michel
Norway | Oslo | Bergen | Europe | the Geirangerfjord
Sweden | Stockholm | Gothenburg | Europe | the Vasa ship
Finland | Helsinki | Tampere | Europe | the sea fortress of Suomenlinna
Denmark | Copenhagen | Aarhus | Europe | Kronborg Castle
Iceland | Reykjavík | Akureyri | Europe | the Gullfoss waterfall
Greece | Athens | Thessaloniki | Europe | the monasteries of Meteora
Croatia | Zagreb | Split | Europe | the Plitvice lakes
Slovenia | Ljubljana | Maribor | Europe | Lake Bled
Ireland | Dublin | Cork | Europe | the Cliffs of Moher
Belgium | Brussels | Antwerp | Europe | the Atomium
Austria | Vienna | Salzburg | Europe | Schönbrunn Palace
Hungary | Budapest | Debrecen | Europe | Lake Balaton
Romania | Bucharest | Cluj-Napoca | Europe | Bran Castle
Bulgaria | Sofia | Plovdiv | Europe | the Rila monastery
Latvia | Riga | Daugavpils | Europe | Turaida Castle
Morocco | Rabat | Casablanca | Africa | the square of Jemaa el-Fnaa
Egypt | Cairo | Alexandria | Africa | the temples of Abu Simbel
Nigeria | Abuja | Lagos | Africa | Zuma Rock
Ghana | Accra | Kumasi | Africa | Cape Coast Castle
Cameroon | Yaoundé | Douala | Africa | the Waza park
Kenya | Nairobi | Mombasa | Africa | the Maasai Mara
Tanzania | Dodoma | Dar es Salaam | Africa | Mount Kilimanjaro
Zambia | Lusaka | Livingstone | Africa | the South Luangwa park
Namibia | Windhoek | Walvis Bay | Africa | the dunes of Sossusvlei
Ethiopia | Addis Ababa | Gondar | Africa | the rock churches of Lalibela
Vietnam | Hanoi | Ho Chi Minh City | Asia | Ha Long Bay
India | New Delhi | Mumbai | Asia | the Taj Mahal
China | Beijing | Shanghai | Asia | the Terracotta Army
Pakistan | Islamabad | Karachi | Asia | the ruins of Mohenjo-daro
Kazakhstan | Astana | Almaty | Asia | the Charyn canyon
Uzbekistan | Tashkent | Samarkand | Asia | the Registan
Mongolia | Ulaanbaatar | Darkhan | Asia | the Khongoryn sand dunes
Japan | Tokyo | Osaka | Asia | Mount Fuji
South Korea | Seoul | Busan | Asia | the Gyeongbokgung palace
Thailand | Bangkok | Chiang Mai | Asia | the ruins of Ayutthaya
Nepal | Kathmandu | Pokhara | Asia | the Boudhanath stupa
Jordan | Amman | Aqaba | Asia | the rock city of Petra
Oman | Muscat | Salalah | Asia | Nizwa Fort
""")
CONTINENTS = ("Africa", "Asia", "Europe", "North America", "South America", "Oceania")

# indirect question | right | a common mistake | more | more
SCIENCE = table("""
why the sky is blue | air scatters blue light far more than red light | the sky mirrors the blue of the oceans |
    this is called Rayleigh scattering | at sunset the light crosses more air, and mostly red is left
why we have seasons | the Earth's axis is tilted, so each half leans towards the Sun for part of the year |
    the Earth is closer to the Sun in summer and farther away in winter |
    June is summer in the north and winter in the south | the tilt is about 23.4 degrees
what causes the tides | the gravity of the Moon, and less so of the Sun, pulls on the oceans |
    the wind pushes the sea towards the land twice a day | most coasts see two high tides a day |
    spring tides come when Sun and Moon line up
why ice floats on water | ice is less dense than liquid water | ice is colder than water, and cold things rise |
    water expands by about nine per cent when it freezes | this is why ponds freeze from the top
how plants make their food | plants use sunlight to turn carbon dioxide and water into sugar |
    plants take all their food from the soil through their roots | this is called photosynthesis |
    oxygen is released on the way
what makes bread rise | yeast eats sugar and gives off carbon dioxide that inflates the dough |
    salt reacts with the flour and blows up the dough | gluten holds the bubbles in place |
    a warm kitchen speeds this up
why we see lightning before thunder | light travels much faster than sound |
    thunder starts several seconds after the flash | the gap grows by about three seconds for each kilometre |
    both come from the same spark
what the largest planet in the solar system is | the largest planet is Jupiter | the largest planet is Saturn |
    its diameter is about eleven times that of the Earth | its most famous storm has raged for centuries
which planet is the hottest | Venus is the hottest planet | Mercury is the hottest planet | its thick air traps heat |
    its surface is at about 460 degrees Celsius
how many bones an adult has | an adult has 206 bones | an adult has 306 bones |
    babies have more, and some grow together | the smallest ones sit in the ear
what the heart does | the heart pumps blood through the body | the heart cleans the blood and makes new blood cells |
    it beats about seventy times a minute at rest | it has four chambers
which gas we breathe in most of all | air is mostly nitrogen | air is mostly oxygen |
    that gas makes up about 78 per cent of dry air | argon comes third
what rust is | rust is iron that has reacted with oxygen and water | rust is a fungus that eats metal |
    salt speeds it up | paint and zinc keep it away
how vaccines work | vaccines train the immune system to recognise a germ |
    vaccines kill all germs in the blood directly | memory cells stay behind for years | some need a booster
why leaves turn yellow in autumn | trees break down the green chlorophyll, and the yellow colours show |
    frost dyes the leaves yellow | the yellow was there all summer | trees save nutrients this way
how bats find their way in the dark | bats listen to the echoes of their own calls |
    bats see in the dark with glowing eyes | the calls are too high for most of us to hear |
    this is called echolocation
whether whales are fish | whales are mammals | whales are very large fish | they breathe air with lungs |
    they feed their young with milk
whether spiders are insects | spiders are arachnids and have eight legs | spiders are insects with six legs |
    scorpions and ticks are their relatives | most of them have eight eyes
what DNA is for | DNA stores the instructions for building proteins | DNA gives cells their energy |
    it is written with four letters | nearly every cell carries a copy
why the Moon has phases | we see different parts of its sunlit half as it goes round us |
    the shadow of the Earth covers part of it every night | a full round takes about 29.5 days |
    half of the Moon is lit at all times
how fast light travels | light travels at about 300,000 kilometres a second |
    light travels at about 3,000 kilometres a second | sunlight needs about eight minutes to reach us |
    nothing is known to be faster
what an atom's nucleus is made of | a nucleus is made of protons and neutrons |
    a nucleus is made of electrons and photons | electrons move around it | almost all the mass sits there
how a rainbow forms | raindrops bend sunlight and split it into colours | the Sun paints colours on the clouds |
    you see it with the Sun behind you | red is on the outside
why we yawn | nobody knows for certain, but yawning may cool the brain or keep us alert |
    it is proven that yawning refills the lungs' store of oxygen | yawns spread from one to another |
    many animals yawn too
what happens when water boils | the liquid turns into vapour throughout | the water splits into hydrogen and oxygen |
    at sea level this happens at 100 degrees Celsius | on a mountain it needs less heat
how magnets work | tiny magnetic fields of many atoms point the same way |
    magnets hold an electric charge that pulls on all metals | iron, nickel and cobalt respond strongly |
    heat can destroy the order
whether lightning strikes a place twice | lightning often strikes the same place more than once |
    lightning never strikes the same place twice | tall towers are hit many times a year |
    a lightning rod makes use of this
how we taste things | taste buds all over the tongue sense five basic tastes |
    each part of the tongue senses just one taste | the nose does much of the work | a cold makes food dull
what honey is made from | bees make honey from the nectar of flowers | bees make honey from pollen alone |
    they dry it with their wings | it keeps for years
why the sea is salty | rivers carry salts from rocks into the sea, and they stay there |
    fish give off salt all their lives | a litre holds about 35 grams | hot springs on the sea floor add more
how a fridge keeps food cold | a fridge pumps heat from the inside to the outside |
    a fridge makes cold from electricity and blows it in | a fluid evaporates inside and condenses outside |
    this is why its back is warm
how old the Earth is | the Earth is about 4.5 billion years old | the Earth is about 65 million years old |
    the dating of meteorites shows this | the oldest crystals known are 4.4 billion years old
which organ is the largest | the skin is the largest organ | the liver is the largest organ |
    it weighs several kilograms | it keeps water in and germs out
what caffeine does | caffeine blocks the signal that makes us feel sleepy |
    caffeine gives the body extra calories to burn | the signal is called adenosine |
    half of it is gone after about five hours
why onions make us cry | a cut onion releases a gas that stings the eyes | the smell of onions makes us feel sad |
    a sharp knife helps | so does chilling the onion first
what a light year measures | a light year is a distance | a light year is a length of time |
    it is about 9.5 trillion kilometres | the nearest star beyond the Sun is 4.2 of them away
""")

# English | Spanish | French | German | Italian
WORDS = table("""
apple | manzana | pomme | Apfel | mela
bread | pan | pain | Brot | pane
water | agua | eau | Wasser | acqua
house | casa | maison | Haus | casa
dog | perro | chien | Hund | cane
cat | gato | chat | Katze | gatto
butterfly | mariposa | papillon | Schmetterling | farfalla
bridge | puente | pont | Brücke | ponte
window | ventana | fenêtre | Fenster | finestra
kitchen | cocina | cuisine | Küche | cucina
friend | amigo | ami | Freund | amico
night | noche | nuit | Nacht | notte
summer | verano | été | Sommer | estate
winter | invierno | hiver | Winter | inverno
rain | lluvia | pluie | Regen | pioggia
snow | nieve | neige | Schnee | neve
tree | árbol | arbre | Baum | albero
flower | flor | fleur | Blume | fiore
book | libro | livre | Buch | libro
library | biblioteca | bibliothèque | Bibliothek | biblioteca
train | tren | train | Zug | treno
key | llave | clé | Schlüssel | chiave
spoon | cuchara | cuillère | Löffel | cucchiaio
cheese | queso | fromage | Käse | formaggio
egg | huevo | œuf | Ei | uovo
milk | leche | lait | Milch | latte
king | rey | roi | König | re
island | isla | île | Insel | isola
mountain | montaña | montagne | Berg | montagna
river | río | rivière | Fluss | fiume
""")
LANGUAGES = ("Spanish", "French", "German", "Italian")

# word | its meaning | another meaning
MEANINGS = table("""
ephemeral | lasting only a short time | lasting for ever
frugal | careful with money | easily frightened
candid | open and honest | sweet and sticky
arduous | needing great effort | very affectionate
serene | calm and peaceful | loud and busy
meticulous | very careful about details | quick and careless
reluctant | unwilling | eager
ubiquitous | found everywhere | found nowhere
verbose | using more words than needed | using hardly any words
novice | a beginner | an expert
to hinder | to make something harder | to find something
to linger | to stay longer than needed | to leave at once
to mend | to repair | to break
brisk | quick and lively | slow and heavy
obsolete | no longer in use | brand new
plausible | seeming likely to be true | impossible to believe
lucid | clear and easy to understand | dark and confusing
scarce | hard to find | plentiful
""")
