"""How models that write other languages than English refuse: OPENING, and the TASK that a refusal is about.

Names of the image are held at a word's start, or a Blutbild would be a Bild, where words are set apart at all.
"""

import re

OPENINGS = """
es tut mir leid|entschuldigung|leider|ich kann|je suis désolé|désolé|malheureusement|je ne (?:peux|suis)|
lo siento|no puedo|lo lamento|lamento|lamentablemente|disculp|perdón|desculpe|sinto muito|infelizmente|
não (?:posso|consigo)|mi dispiace|purtroppo|spiacente|non (?:posso|riesco)|sorry|helaas|het spijt m|ik kan|
tyvärr|jag kan (?:inte|tyvärr)|förlåt|desværre|dessverre|beklager|jeg kan (?:ikke|desværre|dessverre)|
valitettavasti|pahoittel|en voi|przepraszam|niestety|nie mog[ęe]|omlouvám|bohužel|je mi líto|nemohu|
ospravedlňuj|prepáčte|žao mi je|nažalost|oprosti|ne mogu|žal|îmi pare rău|din păcate|nu pot|sajnál|sajnos|
elnézést|nem tud|üzgün|maalesef|ne yazık ki|özür|kahjuks|vabandust|diemžēl|atvainoj|deja|atsiprašau|apgailestau|
maaf|mohon maaf|saya tidak|paumanhin|pasensya|samahani|xin lỗi|rất tiếc|tôi không|извините|к сожалению|
я не (?:могу|можу)|простите|вибачте|на жаль|перепрошую|съжалявам|за съжаление|жао ми је|нажалост|λυπάμαι|
δυστυχώς|συγγνώμη|δεν μπορώ|אני מצטער|מצטער|לצערי|סליחה|איני יכול|אינני יכול|عذر|آسف|أعتذر|للأسف|
لا (?:يمكنني|أستطيع)|متأسف|متاسف|ببخشید|معذرت|माफ|क्षमा|मुझे खेद|खेद|आई एम सॉरी|দুঃখিত|ক্ষমা|மன்னிக்க|క్షమించ|
ขออภัย|ขอโทษ|เสียใจ|ฉันไม่สามารถ|抱歉|对不起|對不起|很抱歉|很遗憾|無法|无法|我不能|我无法|申し訳|すみません|ごめん|残念ながら|죄송|미안
"""
ABOUT = """
transkri|transcri|transkry|trascri|abschreib|bild|image|imagen|imagem|immagin|imagin|afbeelding|overschrijv|
obraz|obráz|přepsat|slik|kép|kuva|litteroi|billede|görüntü|görsel|resim|pilt|attēl|vaizd|paveiksl|gambar|
larawan|imahe|picha|hình ảnh|ảnh|assist|aider|ayudar|ajudar|aiutar|helfen|pomóc|helpen|изображ|зображ|помочь|
допомог|слик|εικόνα|μεταγρά
"""  # words that stand apart
ABOUT_WITHIN = """
图|圖|转录|画像|文字起こし|이미지|그림|사진|صورة|تصویر|عکس|תמונה|לתמלל|छवि|चित्र|तस्वीर|ছবি|চিত্র|பட|చిత్ర|ภาพ|รูป
"""  # words that run together, or take letters before them


def _any(words: str) -> str:
    return f"(?:{words.replace(chr(10), '')})"


OPENING = re.compile(_any(OPENINGS), re.IGNORECASE)
TASK = re.compile(rf"(?<!\w){_any(ABOUT)}|{_any(ABOUT_WITHIN)}", re.IGNORECASE)
