"""What shops sell and firms bill: name | lowest and highest price."""


def _table(text: str) -> tuple[tuple[str, float, float], ...]:
    rows = (row.split("|") for row in text.split("\n") if row.strip())
    return tuple((name.strip(), *map(float, prices.split())) for name, prices in rows)


SHOPS = {  # kind: (shop names, goods)
    "grocery": (
        ("{} Market", "{} Foods", "{} Grocers", "Fresh {}", "{} Corner Shop", "{} Deli"),
        _table("""
Milk 1L        | 0.9 2.4
Bread          | 1.1 4.2
Brown eggs     | 2.1 5.9
Butter         | 1.9 4.5
Bananas        | 0.6 2.9
Apples 1kg     | 1.5 4.1
Tomatoes       | 0.9 4.4
Potatoes       | 1.2 5.6
Rice 2kg       | 2.4 7.8
Pasta          | 0.8 2.9
Olive oil      | 4.9 14.5
Cheddar        | 2.8 7.9
Yoghurt        | 0.6 3.4
Orange juice   | 1.4 4.9
Ground coffee  | 3.9 11.9
Green tea      | 1.8 5.9
Chicken        | 4.2 12.8
Salmon         | 5.9 18.9
Onions         | 0.7 2.3
Lettuce        | 0.8 2.6
Carrots        | 0.6 2.2
Honey          | 2.9 8.9
Flour          | 0.9 3.2
Dish soap      | 1.2 4.4
Paper towels   | 2.4 8.4
Crackers       | 1.1 3.8
Cola 6-pack    | 3.2 6.9
Ice cream      | 2.9 7.6
"""),
    ),
    "cafe": (
        ("Cafe {}", "{} Coffee", "{} Bakery", "{}'s Diner", "{} Grill", "The {} Inn"),
        _table("""
Espresso       | 1.8 3.4
Cappuccino     | 2.9 5.2
Flat white     | 3.1 5.4
Pot of tea     | 2.2 4.4
Croissant      | 1.6 4.1
Bagel          | 2.4 6.8
Soup of day    | 4.5 8.9
Club sandwich  | 6.5 13.9
Caesar salad   | 6.9 14.5
Burger         | 8.5 17.9
Fries          | 2.9 5.9
Pizza          | 8.9 18.5
Pancakes       | 5.9 11.5
Cheesecake     | 3.9 7.9
Lemonade       | 2.1 4.6
Sparkling water| 1.6 3.9
Fish and chips | 9.5 18.9
Muffin         | 1.9 4.2
Brownie        | 2.1 4.4
Omelette       | 6.1 12.4
"""),
    ),
    "hardware": (
        ("{} Hardware", "{} Tools", "{} & Sons", "Home {}", "{} DIY", "{} Paints"),
        _table("""
Hammer         | 8.9 29.9
Wood screws    | 2.4 9.9
Nails 500g     | 3.2 8.4
Paint brush    | 1.9 12.5
White paint 5L | 18.9 54.9
Sandpaper      | 1.2 6.9
LED bulb       | 2.4 11.9
Batteries AA   | 3.9 14.9
Duct tape      | 2.9 8.9
Door hinge     | 1.8 7.4
Garden hose    | 12.9 44.9
Bucket         | 2.4 9.4
Spirit level   | 6.9 24.9
Drill bit 8mm  | 2.9 11.9
Padlock        | 4.9 19.9
Extension lead | 7.9 24.9
Wall plugs     | 1.4 5.9
Ladder         | 39.0 149.0
Rake           | 8.9 22.9
Gloves         | 2.9 14.9
"""),
    ),
    "books": (
        ("{} Books", "{} Stationers", "Paper {}", "{} Press", "{} Gifts", "Toys by {}"),
        _table("""
Notebook A5    | 2.4 9.9
Pencils HB     | 1.2 4.9
Fountain pen   | 9.9 49.9
Envelopes      | 1.9 6.4
Novel          | 6.9 16.9
Atlas          | 14.9 49.9
Greeting card  | 1.4 5.4
Desk calendar  | 4.9 14.9
Crayons        | 1.9 7.9
Jigsaw puzzle  | 7.9 29.9
Gift wrap      | 1.4 5.9
Board game     | 14.9 54.9
Sticky notes   | 1.2 5.9
Stapler        | 3.9 15.9
Cook book      | 9.9 34.9
Magazine       | 2.9 8.9
Map of town    | 3.9 9.9
Eraser         | 0.4 2.4
"""),
    ),
    "clothes": (
        ("{} Fashion", "{} Shoes", "Studio {}", "{} Outlet", "{} Sport", "House of {}"),
        _table("""
T-shirt        | 6.9 29.9
Jeans          | 24.9 89.9
Socks 3 pairs  | 3.9 14.9
Belt           | 9.9 39.9
Wool scarf     | 12.9 49.9
Rain jacket    | 34.9 129.0
Running shoes  | 39.9 139.0
Sun hat        | 7.9 29.9
Blouse         | 14.9 59.9
Tie            | 9.9 44.9
Swim shorts    | 11.9 39.9
Backpack       | 19.9 89.9
Sweater        | 19.9 89.9
Umbrella       | 7.9 29.9
Tennis balls   | 4.9 12.9
Sandals        | 14.9 69.9
"""),
    ),
}

SERVICES = {
    "office": (
        ("{} Supply Co.", "{} Office Ltd", "{} & Co.", "{} Trading", "{} Paper Inc."),
        _table("""
Desk lamp      | 14 89
Office chair   | 79 349
Paper A4       | 3 9
Toner black    | 39 129
Whiteboard     | 29 149
Keyboard       | 19 99
Monitor 24"    | 109 299
USB cable      | 4 19
File cabinet   | 89 299
Shredder       | 49 189
Pens, box      | 5 24
Label rolls    | 6 29
Webcam         | 24 119
Desk mat       | 9 39
"""),
    ),
    "trade": (
        ("{} Plumbing", "{} Electric", "{} Roofing", "{} Builders", "{} Gardens", "{} Motors"),
        _table("""
Call-out       | 35 95
Labor          | 38 95
Pipe 2m        | 6 28
Wall socket    | 4 19
Copper wire    | 12 64
Roof tiles     | 48 390
Fence panel    | 24 79
Lawn mowing    | 25 95
Hedge trim     | 30 120
Oil change     | 39 119
Brake pads     | 49 189
Tire, winter   | 59 169
Skip hire      | 120 290
Cement 25kg    | 5 14
Travel, km     | 0.4 0.9
"""),
    ),
    "studio": (
        ("Studio {}", "{} Design", "{} Media", "{} Software", "{} Consulting", "{} Events"),
        _table("""
Logo design    | 150 950
Web hosting    | 6 49
Site update    | 45 240
Translation    | 0.09 0.24
Consulting, h  | 60 190
Photo session  | 120 690
Flyers A5      | 0.1 0.6
Banner 2x1m    | 39 149
Training day   | 290 990
Support plan   | 19 149
Domain, 1 year | 9 29
Editing, h     | 30 95
Room hire      | 80 420
Sound system   | 90 480
"""),
    ),
}
